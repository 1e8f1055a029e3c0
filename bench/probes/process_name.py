"""What a process is, in few words: its title, or the program, module or script with its verb. Never a value.

The kernel's own name ends after 15 bytes: `VLLM::EngineCor`, `sglang::schedul`, `python3`. The command line says which
of them, but holds arguments too, and those may be keys: only words of a known kind are taken out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

LENGTH = 40  # characters
_PLAIN = re.compile(r"[A-Za-z0-9_.:+()\[\]][A-Za-z0-9_.:+()\[\]-]*")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_VERBS = frozenset({"serve", "server", "launch", "run", "runner", "start", "worker"})  # any other word may be a value
_CODE, _MODULE = re.compile(r"-[A-Za-z]*c"), re.compile(r"-[A-Za-z]*m")
_OF_PYTHON, _OF_SHELLS = frozenset({"-W", "-X"}), frozenset({"-o", "+o", "-O", "+O"})  # options with a value
_OWN_CODE = re.compile(r"from (multiprocessing\.\w+) import")


def process_name(pid: int, comm: str) -> str:
    """Of a process that lives; what the kernel calls it where there is nothing better."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = b""
    return name_of(command, comm)


def name_of(command: bytes, comm: str) -> str:
    """`command` as in /proc/<pid>/cmdline, its parts divided by NUL."""
    words = command.decode("utf-8", "replace").rstrip("\0").split("\0")
    found = _title(words[0]) if len(words) == 1 else _program(words)
    return (found or "".join(char if char.isprintable() else "?" for char in comm))[:LENGTH].rstrip()


def _title(text: str) -> str:
    """What setproctitle leaves, one part: `nginx: worker process`. Some programs put their arguments behind it."""
    words = text.split(" ")
    words[0] = words[0].rpartition("/")[2]
    return " ".join(_while_plain(words))


def _while_plain(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if not _PLAIN.fullmatch(word):
            return
        yield word


def _program(words: list[str]) -> str:
    name, rest = _base(words[0]), iter(words[1:])
    if not (_PYTHON.fullmatch(name) or name in _SHELLS):
        return _with_verb(name, rest)
    short = "python" if _PYTHON.fullmatch(name) else name
    takes_value = _OF_PYTHON if short == "python" else _OF_SHELLS
    for word in rest:
        if _CODE.fullmatch(word):
            own = _OWN_CODE.match(next(rest, ""))
            return own[1] if own else f"{short} -c"
        if short == "python" and _MODULE.fullmatch(word):
            return _with_verb(_base(next(rest, "")), rest)
        if word in takes_value:
            next(rest, None)
        elif not word.startswith(("-", "+")):
            return _with_verb(_base(word), rest) or short
    return short


def _with_verb(name: str, rest: Iterator[str]) -> str:
    verb = next(rest, "")
    return f"{name} {verb}" if name and verb in _VERBS else name


def _base(word: str) -> str:
    """The last part of a path; empty where it is no plain word."""
    last = word.rpartition("/")[2].lstrip("-")
    return last if _PLAIN.fullmatch(last) else ""

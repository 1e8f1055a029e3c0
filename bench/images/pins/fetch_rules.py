"""Files and sources from the network: url-no-checksum and git-not-pinned.

A download is checked when the same RUN, later, holds its file against a sum (`sha256sum -c` and its like) or a
signature (gpg --verify, cosign, minisign); `checks` tells which files a check is about. What goes through a pipe into a
program has no file that could be checked. ADD takes `--checksum`. MD5 and SHA-1 are no check, as for pip: files of one
such sum can be made. A clone is pinned by a checkout of a full commit in the same stage, before the next clone; ADD by
`#` and a full commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.anatomy import PinFinding
from bench.images.pins.checks import check
from bench.images.pins.downloads import GIT_ADDRESS, Download, added, fetched
from bench.images.pins.grade import found
from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name
from bench.images.pins.specifier import FULL_COMMIT
from bench.images.pins.stages import Step
from bench.images.pins.variables import fill
from bench.vocabulary import PinRule

URL_REPAIR = "check it in the same RUN: echo 'SHA256  FILE' | sha256sum -c -, or fetch it with ADD --checksum=sha256:…"
GIT_REPAIR = "check out the full commit of 40 digits behind the clone, or use ADD REPOSITORY#COMMIT"


def url_findings(step: Step, runs: Sequence[Command], file: str) -> Iterator[PinFinding]:
    """Of one ADD or RUN."""
    downloads = added(step) if step.instruction.word == "ADD" else _downloads(runs)
    for one in downloads:
        if not one.checked:
            text = f"{one.address[:200]}: whatever lies at that address " + (
                "becomes a part of the image" if one.name else "is run or unpacked, and no file is left to check"
            )
            yield found(PinRule.URL_NO_CHECKSUM, file, one.line, text, URL_REPAIR)


def _downloads(runs: Sequence[Command]) -> list[Download]:
    out: list[Download] = []
    for at, command in enumerate(runs):
        out += fetched(command)
        check(out, runs, at)
    return out


def git_findings(runs: Sequence[tuple[Step, Sequence[Command]]], file: str) -> Iterator[PinFinding]:
    """Of one stage."""
    waiting: tuple[int, str] | None = None
    for step, commands in runs:
        if step.instruction.word == "ADD":
            yield from _added_repositories(step, file)
        for command in commands:
            kind, address = _of_git(command)
            if kind == "clone":
                if waiting:
                    yield _unpinned(file, *waiting)
                waiting = (command.line, address)
            elif kind == "commit":
                waiting = None
    if waiting:
        yield _unpinned(file, *waiting)


def _unpinned(file: str, line: int, address: str) -> PinFinding:
    text = f"{address[:200]}: a branch or a tag may be something else tomorrow"
    return found(PinRule.GIT_NOT_PINNED, file, line, text, GIT_REPAIR)


def _of_git(command: Command) -> tuple[str, str]:
    """("clone", address), ("commit", …) where one full commit is asked for, or ("", "")."""
    if program_name(command.words[0]) != "git":
        return "", ""
    words = command.words[1:]
    verb = next((word for word in words if word in ("clone", "checkout", "reset", "switch", "fetch", "submodule")), "")
    if verb == "clone":
        exact = any(word.startswith("--revision") for word in words) and any(_commit(w) for w in words)
        address = next((word for word in words if "/" in word and not word.startswith("-")), "a repository")
        return ("commit" if exact else "clone"), address
    if verb == "submodule" and "--remote" in words:
        return "clone", "git submodule update --remote"
    if verb in ("checkout", "reset", "switch", "fetch") and any(_commit(word) for word in words):
        return "commit", ""
    return "", ""


def _commit(word: str) -> bool:
    """A full commit, or one that only the caller of the build knows."""
    value = word.rpartition("=")[2]
    return bool(FULL_COMMIT.fullmatch(value)) or re.fullmatch(r"\$\{?\w+\}?", value) is not None


def _added_repositories(step: Step, file: str) -> Iterator[PinFinding]:
    add = step.instruction
    if add.flag("checksum"):
        return
    for word in [fill(word, step.known) for word in add.json or tuple(add.args.text.split())][:-1]:
        revision = word.partition("#")[2].partition(":")[0]
        if GIT_ADDRESS.match(word) and not _commit(revision) and not re.search(r"[?&]commit=[0-9a-f]{40}", word):
            yield _unpinned(file, add.line, word)

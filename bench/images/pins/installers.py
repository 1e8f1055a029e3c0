"""Which commands install packages: the manager, what it is told to do, and with which words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.images.pins.shell import Command
from bench.images.pins.shell_words import CONDA, program_name

PIP = re.compile(r"pip[0-9.]*\Z")
PYTHON = re.compile(r"(python|pypy)[0-9.]*\Z")
MODULES = {"pip", "pip3", "uv", "pipx", "poetry", "pdm", "pipenv", "conda", "mamba", "piptools"}
# Options that stand before the verb and take the next word.
VALUED = {
    "pip": {"--cache-dir", "--python", "--proxy", "--log", "--cert", "--retries", "--timeout", "--client-cert"},
    "uv": {"--cache-dir", "--directory", "--project", "--config-file", "--color"},
    "conda": {"-n", "--name", "-p", "--prefix", "-r", "--root-prefix", "--rc-file"},
    "poetry": {"-C", "--directory", "-P", "--project"},
    "pdm": {"-p", "--project", "-c", "--config"},
    "npm": {"--prefix", "-C", "--registry", "--cache", "-w", "--workspace", "--loglevel"},
    "yarn": {"--cwd", "--registry", "--cache-folder"},
    "pnpm": {"-C", "--dir", "--filter", "-F", "--registry"},
    "apt": {"-o", "-t", "-c", "-a", "-S", "--option", "--target-release", "--default-release", "--config-file"},
}
MANAGERS = {
    **dict.fromkeys(CONDA, "conda"),
    **dict.fromkeys(("apt", "apt-get", "aptitude"), "apt"),
    **dict.fromkeys(("dnf", "yum", "microdnf", "tdnf", "zypper"), "dnf"),
    **{name: name for name in ("apk", "uv", "poetry", "pdm", "pipenv", "npm", "yarn", "pnpm")},
    "pipx": "pip",
}
WITHOUT_VERB: dict[str, tuple[str, str, tuple[str, ...]]] = {  # manager, verb, words where there are none
    "uvx": ("uv", "tool run", ()),
    "npx": ("npm", "exec", ()),
    "pip-sync": ("pip", "pip sync", ("requirements.txt",)),
}
# Words whose verb is the word behind: `uv pip install`, `conda env create`, `yarn global add`.
PAIRS = {
    "uv": {"pip", "tool", "python", "cache"},
    "conda": {"env", "self", "package"},
    "yarn": {"global"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a package manager."""

    manager: str  # "pip", "uv", "conda", "apt", "apk", "dnf", "poetry", "pdm", "pipenv", "npm", "yarn", "pnpm"
    verb: str  # "install", "pip install", "env create" …; "" where there is none
    words: tuple[str, ...]  # without program and verb
    command: Command

    def truthy(self, *names: str) -> bool:
        """Whether one of these variables of the environment is set to a yes."""
        return any(
            self.command.settings.get(name, "").lower() in ("1", "true", "yes", "on", "t", "y") for name in names
        )


def call_of(command: Command) -> Call | None:
    """None for a command that is no package manager."""
    name, rest = program_name(command.words[0]), command.words[1:]
    if PYTHON.match(name):
        name, rest = module_of(rest)
        if name == "setup.py" and rest[:1] in (("install",), ("develop",)):
            return Call(manager="pip", verb="install", words=(".",), command=command)
        if name not in MODULES:
            return None
    if name in WITHOUT_VERB:
        manager, verb, otherwise = WITHOUT_VERB[name]
        words = _first_only(rest) if verb == "tool run" else rest or otherwise
        return Call(manager=manager, verb=verb, words=words, command=command)
    manager = "pip" if PIP.match(name) else MANAGERS.get(name, "")
    return _call(manager, rest, command, PAIRS.get(manager, set())) if manager else None


def module_of(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The program that Python runs, and the words behind: `-m pip`, `-mpip`, `-Im pip`, or a script by its path."""
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-") or word == "-":
            return program_name(word), tuple(words[at + 1 :])
        for place, letter in enumerate(word[1:], start=2):
            if letter == "m":
                name = word[place:] or next(iter(words[at + 1 :]), "")
                return name, tuple(words[at + (1 if word[place:] else 2) :])
            if letter == "c" or word.startswith("--"):
                return "", ()
            if letter in "WX":
                at += not word[place:]
                break
        at += 1
    return "", ()


def _call(manager: str, words: Sequence[str], command: Command, pairs: set[str]) -> Call:
    at = _next_word(words, 0, VALUED.get(manager, set()))
    if at >= len(words):
        return Call(manager=manager, verb="", words=tuple(words), command=command)
    verb, rest = words[at], [*words[:at], *words[at + 1 :]]
    if verb in pairs:
        behind = _next_word(rest, at, VALUED.get(manager, set()))
        if behind < len(rest):
            verb, rest = f"{verb} {rest[behind]}", [*rest[:behind], *rest[behind + 1 :]]
    if (manager, verb) == ("uv", "tool run"):
        rest = list(_first_only(rest))
    return Call(manager=manager, verb=verb, words=tuple(rest), command=command)


def _next_word(words: Sequence[str], at: int, valued: set[str]) -> int:
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in valued else 1
    return at


def _first_only(words: Sequence[str]) -> tuple[str, ...]:
    """Of `uvx ruff check .` the tool alone: what stands behind is the tool's."""
    at = _next_word(words, 0, {"--from", "--with", "-w", "-p", "--python", "--index", "--default-index", "--cache-dir"})
    return tuple(words[: at + 1])

"""Which commands install packages: the manager, what it is told to do, and with which words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name

PIP = re.compile(r"pip[0-9.]*\Z")
PYTHON = re.compile(r"(python|pypy)[0-9.]*\Z")
CONDA = {"conda", "mamba", "micromamba"}
APT = {"apt", "apt-get", "aptitude"}
# Options that stand before the verb and take the next word.
VALUED = {
    "pip": {"--cache-dir", "--python", "--proxy", "--log", "--cert", "--retries", "--timeout", "--client-cert"},
    "uv": {"--cache-dir", "--directory", "--project", "--config-file", "--color"},
    "conda": {"-n", "--name", "-p", "--prefix", "-r", "--root-prefix", "--rc-file"},
    "apt": {"-o", "-t", "-c", "-a", "-S", "--option", "--target-release", "--default-release", "--config-file"},
}
UV_PAIRS = {"pip", "tool", "python", "cache"}  # their verb is the word behind
CONDA_PAIRS = {"env", "self", "package"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a package manager."""

    manager: str  # "pip", "uv", "conda", "apt", "apk", "dnf"
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
        if "-m" not in rest or rest.index("-m") + 1 >= len(rest):
            return None
        at = rest.index("-m") + 1
        name, rest = rest[at], rest[at + 1 :]
        if name not in ("pip", "uv", "pipx", "poetry"):
            return None
    if PIP.match(name) or name == "pipx":
        return _call("pip", rest, command, set())
    if name == "uv":
        return _call("uv", rest, command, UV_PAIRS)
    if name == "uvx":
        return Call(manager="uv", verb="tool run", words=_first_only(rest), command=command)
    if name in CONDA:
        return _call("conda", rest, command, CONDA_PAIRS)
    if name in APT:
        return _call("apt", rest, command, set())
    if name in ("apk", "dnf", "yum", "microdnf", "tdnf", "zypper"):
        return _call("apk" if name == "apk" else "dnf", rest, command, set())
    return None


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

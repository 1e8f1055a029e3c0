"""Lists of packages that the Dockerfile itself writes: a heredoc of COPY or RUN, `echo … > list`, `printf`, `tee`.

What a list holds is judged where it is written. A list that any other command makes (pip freeze, sed) is known to
nobody before the build.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.images.pins.build_context import absolute
from bench.images.pins.requirements_file import logical_lines
from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name
from bench.images.pins.stages import Step
from bench.images.pins.variables import fill

Line = tuple[int, str]
MOST_LINES = 5000
LOCKED, RESOLVED = "locked", "resolved"


@dataclass(slots=True, kw_only=True)
class MadeList:
    """One file that a step writes."""

    lines: list[Line] = field(default_factory=list)
    unknown: bool = False  # a command writes to it whose output nobody knows
    of_lock: bool = False  # an export of the project's lock, which is judged itself
    resolved: bool = False  # by uv pip compile and its like: during the build, so anew each time

    def words(self) -> Iterator[tuple[int, list[str]]]:
        """Its requirements, each on the line of the Dockerfile."""
        text = "\n".join(text for _, text in self.lines)
        for number, words in logical_lines(text):
            yield self.lines[min(number, len(self.lines)) - 1][0], words


@dataclass(slots=True, kw_only=True)
class MadeLists:
    """All of one Dockerfile, by their paths in the image."""

    lists: dict[str, MadeList] = field(default_factory=dict)

    def find(self, path: str) -> MadeList | None:
        """By its path, or where another stage has made it, by its name."""
        if path in self.lists:
            return self.lists[path]
        name = posixpath.basename(path)
        return next((one for key, one in self.lists.items() if posixpath.basename(key) == name), None)

    def learn_copy(self, step: Step) -> None:
        """`COPY <<EOF /requirements.txt`; into a folder the file has the heredoc's name."""
        copy = step.instruction
        if copy.word not in ("COPY", "ADD") or not copy.heredocs:
            return
        target = fill((copy.args.text.split() or [""])[-1], step.known)
        for heredoc in copy.heredocs:
            path = posixpath.join(target, heredoc.name) if target.endswith("/") else target
            text = fill(heredoc.body.text, step.known)
            self._add(absolute(step.workdir, path), _numbered(text, heredoc.body.line_at(0)))

    def learn_command(self, command: Command, before: Command | None, cwd: str) -> None:
        """What a command of RUN writes; `before` stands in front of it."""
        name = program_name(command.words[0])
        targets = list(command.writes)
        if name == "tee":
            targets += [word for word in command.words[1:] if not word.startswith("-")]
            piped = before if command.before in ("|", "|&") else None
            lines = _output(command) if command.stdin else _output(piped) if piped else None
        else:
            lines = _output(command)
        made, kind = _listed(command)
        for target in targets if not made else [made, *targets]:
            path = absolute(cwd, target)
            if kind or lines is None:
                one = self.lists.setdefault(path, MadeList())
                one.of_lock = one.of_lock or kind == LOCKED
                one.resolved = one.resolved or kind == RESOLVED
                one.unknown = one.unknown or not kind
            else:
                self._add(path, lines)

    def _add(self, path: str, lines: list[Line]) -> None:
        one = self.lists.setdefault(path, MadeList())
        one.lines += lines[: MOST_LINES - len(one.lines)]


def _output(command: Command) -> list[Line] | None:
    """What it prints; None where only running it would tell."""
    name, words = program_name(command.words[0]), command.words[1:]
    if name in ("cat", "tee") and command.stdin:
        return _numbered(command.stdin, command.stdin_line or command.line, same=not command.stdin_line)
    if name == "echo":
        text = " ".join(word for word in words if word not in ("-e", "-n", "-en", "-ne", "-E"))
        return _numbered(text.replace("\\n", "\n"), command.line, same=True)
    if name == "printf" and words:
        shape = words[1 if words[0] == "--" else 0 :]
        text = "\n".join(shape[1:]) if "%" in shape[0] else shape[0]
        return _numbered(text.replace("\\n", "\n"), command.line, same=True)
    return None


def _numbered(text: str, first: int, *, same: bool = False) -> list[Line]:
    return [(first if same else first + at, line) for at, line in enumerate(text.splitlines())]


def _listed(command: Command) -> tuple[str, str]:
    """(the file, "locked" or "resolved") of a command that writes a list of a whole project."""
    name, words = program_name(command.words[0]), command.words[1:]
    kind = ""
    if (name in ("uv", "poetry", "pdm") and "export" in words[:3]) or (
        name == "pipenv" and "requirements" in words[:2]
    ):
        kind = LOCKED
    elif name == "pip-compile" or (name == "uv" and list(words[:2]) == ["pip", "compile"]):
        kind = RESOLVED
    if not kind:
        return "", ""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in ("-o", "--output", "--output-file"):
            return (value if equals else (words[at + 1] if at + 1 < len(words) else "")), kind
    return "", kind

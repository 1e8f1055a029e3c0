"""A Dockerfile as instructions: continuation lines, comments in them, directives, heredocs, ONBUILD and JSON form.

The rules of reading are BuildKit's (frontend/dockerfile/parser): a comment line or an empty line between continued
lines is skipped, an escaped escape character continues nothing, and only ADD, COPY and RUN take heredocs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from bench.images.pins.source import Collector, Source, of_lines

WORDS = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
]
DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*?)\s*\Z")
FLAG = re.compile(r"\s*--([a-z][a-z-]*)(?:=((?:\"[^\"]*\"|'[^']*'|\S)*))?(?=\s|\Z)")
HEREDOC = re.compile(r"(?:(?<=\s)|(?<=\A))\d*<<(-?)([\"']?)([A-Za-z0-9_.!%+,:@^-]+)\2(?=[\s;|&>]|\Z)")
MOST_INSTRUCTIONS = 2000  # an image has at most some hundred layers
JSON_WORDS = {"RUN", "CMD", "ENTRYPOINT", "SHELL", "ADD", "COPY", "VOLUME"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """One here-document of an instruction."""

    name: str
    body: Source
    end_line: int  # where its name stands again


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction, on the line where it begins."""

    word: str  # in capitals
    line: int
    args: Source  # continued lines joined, without flags
    flags: tuple[tuple[str, str], ...] = ()  # ("mount", "type=cache,target=/root/.cache")
    heredocs: tuple[Heredoc, ...] = ()
    json: tuple[str, ...] | None = None
    onbuild: bool = False

    def flag(self, name: str) -> str | None:
        """Value of the last flag of this name."""
        return next((value for key, value in reversed(self.flags) if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What could not be read."""

    line: int
    text: str


def parse(text: str) -> tuple[list[Instruction], list[Problem]]:
    """All instructions in order, and what could not be read."""
    reader = _Reader(text.removeprefix("\ufeff").splitlines())
    instructions = list(islice(reader.instructions(), MOST_INSTRUCTIONS))
    if len(instructions) == MOST_INSTRUCTIONS:
        reader.problems.append(Problem(line=instructions[-1].line, text="too many instructions: the rest is not read"))
    return instructions, reader.problems


class _Reader:
    """Walks the lines of one file."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at, self.problems = lines, 0, list[Problem]()
        escape = self._escape()
        self.continued = re.compile(rf"(?:(?<=[^{escape}])|\A){escape}[ \t]*\Z")

    def _escape(self) -> str:
        """The escape character: directives stand before everything else, comments included."""
        for line in self.lines:
            found = DIRECTIVE.match(line.strip())
            if found is None:
                break
            if found[1].lower() == "escape" and found[2] == "`":
                return "`"
        return r"\\"

    def instructions(self) -> Iterator[Instruction]:
        while self.at < len(self.lines):
            start = self.at + 1
            joined = self._joined()
            if joined.text.strip():
                instruction = self._instruction(joined, start)
                if instruction is not None:
                    yield instruction

    def _joined(self) -> Source:
        """One logical line."""
        out, first = Collector(), True
        while self.at < len(self.lines):
            line, number = self.lines[self.at], self.at + 1
            self.at += 1
            if line.lstrip().startswith("#"):
                if first:
                    break
                continue
            if not first and not line.strip():
                continue  # deprecated by Docker, read all the same
            cut = self.continued.search(line)
            out.add(line[: cut.start()] if cut else line, number)
            first = False
            if cut is None:
                break
        return out.source()

    def _instruction(self, joined: Source, line: int, triggered: bool = False) -> Instruction | None:
        found = re.match(r"\s*(\S+)\s*", joined.text)
        word = found[1].upper() if found else ""
        if found is None or word not in WORDS or (triggered and word in ("ONBUILD", "FROM", "MAINTAINER")):
            text = "no instruction of a Dockerfile begins with this line's first word"  # which may be a secret
            self.problems.append(Problem(line=line, text=text))
            return None
        rest = joined.part(found.end())
        if word == "ONBUILD":
            inner = self._instruction(rest, line, triggered=True)
            return None if inner is None else replace(inner, onbuild=True, line=line)
        flags, at = [], 0
        while flag := FLAG.match(rest.text, at):
            flags.append((flag[1], re.sub("[\"']", "", flag[2] or "")))
            at = flag.end()
        at += len(rest.text[at:]) - len(rest.text[at:].lstrip())
        args = rest.part(at)
        words = _json_words(args.text) if word in JSON_WORDS else None
        heredocs = self._heredocs(args, line) if word in ("ADD", "COPY", "RUN") and words is None else ()
        return Instruction(word=word, line=line, args=args, flags=tuple(flags), heredocs=heredocs, json=words)

    def _heredocs(self, args: Source, line: int) -> tuple[Heredoc, ...]:
        """The bodies follow the line in the order of their names."""
        found = []
        for mark in HEREDOC.finditer(args.text):
            dash, name, start = mark[1] == "-", mark[3], self.at
            while self.at < len(self.lines) and (self.lines[self.at].lstrip("\t" if dash else "")) != name:
                self.at += 1
            if self.at >= len(self.lines):
                self.problems.append(Problem(line=line, text=f"the heredoc {name} never ends"))
            body = [(n + 1, self.lines[n].lstrip("\t" if dash else "")) for n in range(start, self.at)]
            self.at += 1
            found.append(Heredoc(name=name, body=of_lines(body), end_line=self.at))
        return tuple(found)


def _json_words(text: str) -> tuple[str, ...] | None:
    """The words of the JSON form; None for the shell form, which a malformed list is too."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

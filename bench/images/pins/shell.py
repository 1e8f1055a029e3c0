"""Splits a shell script into its commands, each with its words and the physical line where it begins.

Enough of the POSIX shell for reading build steps: quotes, variables that the script or the Dockerfile sets, `$(…)`,
pipes, redirections, here-documents, `bash -c`, `for` lists. It runs nothing and never fails: what it does not know
stays in the words as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bench.images.pins.lexer import Lexer
from bench.images.pins.shell_words import KEYWORDS, SHELLS, program_name, script_at, unwrap
from bench.images.pins.source import Source
from bench.images.pins.variables import MOST_VALUE

NESTING = 6  # scripts within scripts; what lies deeper is not read
OUTPUT = "$(…)"  # stands for words that only running a command would tell
SETTINGS = ("PIP_", "UV_", "CONDA_")
DECLARING = {"export", "local", "declare", "readonly"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command."""

    words: tuple[str, ...]
    line: int
    before: str = ""  # the operator in front of it: "&&", "|", "\n" …
    after: str = ""
    parent: str = ""  # of one in `$(…)`: the program that gets its output
    stdin: str = ""  # text of a here-document or here-string
    stdin_line: int = 0  # where a here-document begins
    writes: tuple[str, ...] = ()  # files that its output goes to
    settings: Mapping[str, str] = field(default_factory=dict)  # variables that installers read: PIP_…, UV_…, CONDA_…


@dataclass(slots=True)
class _Draft:
    """A command while it is read."""

    before: str = ""
    words: list[Source] = field(default_factory=list)
    scripts: list[Source] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)
    heredocs: list[tuple[str, bool]] = field(default_factory=list)  # name, whether tabs are stripped
    redirect: str = ""  # the operator whose target the next word is


def commands(source: Source, known: Mapping[str, str], depth: int = 0) -> list[Command]:
    """All commands in the order in which they run; what `$(…)` runs comes before the command that it stands in."""
    if depth > NESTING:
        return []
    reader = _Reader(source, dict(known), depth)
    reader.read()
    return reader.out


def settings_of(known: Mapping[str, str]) -> dict[str, str]:
    """The variables by which installers are told what to do."""
    return {name: value for name, value in known.items() if name.startswith(SETTINGS)}


class _Reader:
    """Reads one script into commands."""

    def __init__(self, source: Source, known: dict[str, str], depth: int) -> None:
        self.known, self.depth = known, depth
        self.lexer = Lexer(source, known)
        self.out: list[Command] = []
        self.draft = _Draft()
        self.awaited: list[tuple[str, bool, int | None]] = []  # here-documents and whose they are

    def read(self) -> None:
        for token in self.lexer.tokens():
            if token.operator:
                self._end(token.operator)
            elif token.redirect:
                self.draft.redirect = token.redirect
            else:
                self.draft.scripts += token.scripts
                self._word(token.text)
        self._end("")

    def _word(self, word: Source) -> None:
        draft, operator = self.draft, self.draft.redirect
        draft.redirect = ""
        if not operator:
            draft.words.append(word)
        elif operator in ("<<", "<<-"):
            draft.heredocs.append((word.text, operator == "<<-"))
        elif operator == "<<<":
            draft.stdin.append(word.text)
        elif operator in (">", ">>", ">|", "&>"):
            draft.writes.append(word.text)

    def _end(self, operator: str) -> None:
        draft, self.draft = self.draft, _Draft(before=operator)
        place = self._emit(draft, operator)
        self.awaited += [(name, strips, place) for name, strips in draft.heredocs]
        if operator == "\n":
            awaited, self.awaited = self.awaited, []
            for name, strips, whose in awaited:
                self._attach(whose, self.lexer.body(name, strips_tabs=strips))

    def _emit(self, draft: _Draft, operator: str) -> int | None:
        """Where in the list the command stands; None for one that runs nothing itself."""
        words = self._assigned(draft.words)
        at = unwrap([word.text for word in words])
        taken = [program_name(word.text) for word in words[:at]]
        fed = "xargs" in taken and not any(word.startswith("-I") for word in taken)
        words = [*words[at:], *([Source(OUTPUT)] if fed else [])]
        program = (words or draft.words or [Source("")])[0].text
        for script in draft.scripts:
            nested = commands(script, self.known, self.depth + 1)
            self.out += [one if one.parent else replace(one, parent=program) for one in nested]
        if not words:
            return None
        script_place = script_at([word.text for word in words])
        if script_place is not None:
            self.out += commands(words[script_place], self.known, self.depth + 1)
            return None
        self.out.append(
            Command(
                words=tuple(word.text for word in words),
                line=words[0].line_at(0),
                before=draft.before,
                after=operator,
                stdin="\n".join(draft.stdin),
                writes=tuple(draft.writes),
                settings=settings_of(self.known),
            )
        )
        return len(self.out) - 1

    def _assigned(self, words: list[Source]) -> list[Source]:
        """Keywords and assignments are taken off; what is assigned is known from here on, in this script."""
        at = 0
        while at < len(words):
            name, equals, value = words[at].text.partition("=")
            if equals and name.isidentifier():
                self._learn(name, value)
            elif words[at].text not in KEYWORDS | DECLARING:
                break
            at += 1
        rest = words[at:]
        if len(rest) > 2 and rest[0].text == "for" and rest[2].text == "in":
            self.lexer.lists.add(rest[1].text)
            self._learn(rest[1].text, " ".join(word.text for word in rest[3:]))
            return []
        return rest

    def _learn(self, name: str, value: str) -> None:
        if "$(" in value:
            self.known[name] = OUTPUT
        elif len(value) > MOST_VALUE:
            self.known.pop(name, None)
        else:
            self.known[name] = value

    def _attach(self, place: int | None, body: Source) -> None:
        """A here-document is a script for a shell, and text for any other program."""
        if place is None:
            return
        command = self.out[place]
        if program_name(command.words[0]) in SHELLS:
            self.out += commands(body, self.known, self.depth + 1)
        else:
            self.out[place] = replace(command, stdin=body.text, stdin_line=body.line_at(0))

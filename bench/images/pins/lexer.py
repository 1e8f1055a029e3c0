"""Cuts a shell script into words and operators; variables are filled in as they are known when a word is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.images.pins.source import Collector, Source
from bench.images.pins.variables import closing, parameter

OPERATORS = ("&&", "||", ";;", "|&", ";", "&", "|", "\n", "(", ")")
REDIRECTS = ("<<<", "<<-", "<<", ">>", ">&", "<&", "&>", ">|", "<>", ">", "<")
ESCAPED_IN_QUOTES = ('"', "\\", "$", "`", "\n")
MOST_WORD = 1 << 16  # characters of one word
MOST_FILLED = 1 << 22  # characters that variables may bring into one script: a value may hold itself many times


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or an operator between words."""

    text: Source
    operator: str = ""
    redirect: str = ""
    scripts: tuple[Source, ...] = ()  # of `$(…)`, backquotes and `<(…)` in a word


@dataclass(slots=True)
class Lexer:
    """Walks one script once. Whoever reads the tokens may change `known` between them."""

    source: Source
    known: dict[str, str]
    lists: set[str] = field(default_factory=set)  # variables of `for`: each word of theirs comes by itself
    at: int = 0
    word: Collector | None = None
    scripts: list[Source] = field(default_factory=list)
    ready: list[Token] = field(default_factory=list)
    filled: int = 0

    def tokens(self) -> Iterator[Token]:
        """Words and operators in order."""
        while self.at < len(self.source.text):
            self._step(self.source.text[self.at])
            while self.ready:
                yield self.ready.pop(0)
        self._end_word()
        yield from self.ready

    def body(self, name: str, *, strips_tabs: bool) -> Source:
        """The here-document that begins at the next line."""
        text, start = self.source.text, self.at
        while self.at < len(text):
            begin, end = self.at, text.find("\n", self.at)
            end = len(text) if end < 0 else end
            self.at = end + 1
            line = text[begin:end]
            if (line.lstrip("\t") if strips_tabs else line) == name:
                return self.source.part(start, begin)
        return self.source.part(start)

    def _step(self, char: str) -> None:
        if char in "'\"":
            self._quote(char)
        elif char == "\\":
            self._escape()
        elif char in "$`":
            self._dollar(quoted=False)
        elif char in " \t\r":
            self._end_word()
            self.at += 1
        elif char == "#" and self.word is None:
            end = self.source.text.find("\n", self.at)
            self.at = len(self.source.text) if end < 0 else end
        elif operator := self._one_of(REDIRECTS):
            self._redirection(operator)
        elif operator := self._one_of(OPERATORS):
            self._end_word()
            self.ready.append(Token(Source(""), operator=operator))
            self.at += len(operator)
        else:
            self._add(char)
            self.at += 1

    def _one_of(self, operators: tuple[str, ...]) -> str:
        return next((operator for operator in operators if self.source.text.startswith(operator, self.at)), "")

    def _add(self, text: str) -> None:
        self.word = self.word or Collector()
        if self.word.length < MOST_WORD:
            self.word.add(text, self.source.line_at(self.at))

    def _end_word(self) -> None:
        if self.word is not None:
            self.ready.append(Token(self.word.source(), scripts=tuple(self.scripts)))
            self.word, self.scripts = None, []

    def _escape(self) -> None:
        following = self.source.text[self.at + 1 : self.at + 2]
        if following != "\n":  # a continued line of a script
            self._add(following)
        self.at += 2

    def _quote(self, mark: str) -> None:
        text = self.source.text
        self._add("")
        self.at += 1
        while self.at < len(text) and text[self.at] != mark:
            char = text[self.at]
            if mark == '"' and char in "$`":
                self._dollar(quoted=True)
            elif mark == '"' and char == "\\" and text[self.at + 1 : self.at + 2] in ESCAPED_IN_QUOTES:
                self._escape()
            else:
                self._add(char)
                self.at += 1
        self.at += 1

    def _dollar(self, *, quoted: bool) -> None:
        """A variable, or a command in place of its output."""
        text = self.source.text
        if text[self.at] == "`":
            end = text.find("`", self.at + 1)
            end = len(text) if end < 0 else end
            self._substitute(self.at + 1, end, end + 1)
        elif text.startswith("$((", self.at):
            end = closing(text, self.at + 1, "(", ")")
            self._add(text[self.at : end])
            self.at = end
        elif text.startswith("$(", self.at):
            end = closing(text, self.at + 1, "(", ")")
            self._substitute(self.at + 2, end - 1, end)
        else:
            self._variable(quoted)

    def _variable(self, quoted: bool) -> None:
        value, end = parameter(self.source.text, self.at, self.known if self.filled < MOST_FILLED else {})
        self.filled += len(value)
        fields = value.split()
        quoted = quoted and self.source.text[self.at : end].strip("${}") not in self.lists
        if quoted or value == self.source.text[self.at : end]:
            self._add(value)
        else:  # the shell splits an unquoted value into words; one of white space parts what stands around it
            for place, one in enumerate(fields):
                if place or value[:1].isspace():
                    self._end_word()
                self._add(one)
            if value[-1:].isspace():
                self._end_word()
        self.at = end

    def _substitute(self, start: int, stop: int, end: int) -> None:
        self.scripts.append(self.source.part(start, max(start, stop)))
        self._add("$(" + self.source.text[start:stop] + ")")
        self.at = end

    def _redirection(self, operator: str) -> None:
        if self.source.text.startswith("<(", self.at):
            end = closing(self.source.text, self.at + 1, "(", ")")
            self._substitute(self.at + 2, end - 1, end)
            return
        if self.word is not None and "".join(self.word.pieces).isdigit():
            self.word = None  # 2>&1
        self._end_word()
        self.ready.append(Token(Source(""), redirect=operator))
        self.at += len(operator)

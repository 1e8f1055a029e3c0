"""What is wrong with a scenario: each problem with its place, and all of them in one message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.errors import InputError

Key = tuple[str | int, ...]

_GOT_CHARACTERS = 120  # a value from a file is shown, never poured out


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that the user can put right. `key` locates it in the file."""

    key: Key
    text: str
    expected: str | None = None
    got: str | None = None
    repair: str | None = None


def dotted(key: Key) -> str:
    """`("load", "stages", 0)` as `load.stages.0`, the spelling that --set takes."""
    return ".".join(str(part) for part in key)


def shown(value: object) -> str:
    """A value as short text."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) or "nothing"
    return text if len(text) <= _GOT_CHARACTERS else text[: _GOT_CHARACTERS - 1] + "…"


def did_you_mean(word: str, words: Iterable[str]) -> str | None:
    """The nearest of `words` as a question, None when nothing is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else None


def as_error(problems: Sequence[tuple[str, Problem]], file: str) -> InputError:
    """One error for all problems of one file; each comes with the place where it was written."""
    if len(problems) == 1:
        place, problem = problems[0]
        return _error(place, problem)
    blocks = [_indented(str(_error(place, problem))) for place, problem in problems]
    return InputError("\n".join([f"{len(problems)} problems", *blocks]), where=file)


def _error(place: str, problem: Problem) -> InputError:
    name = dotted(problem.key)
    text = f"{name}: {problem.text}" if name else problem.text
    return InputError(text, where=place, expected=problem.expected, got=problem.got, repair=problem.repair)


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())

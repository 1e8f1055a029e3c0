"""What is wrong with a scenario: each problem with its place, and all of them in one message."""

from __future__ import annotations

import difflib
import sys
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
    near = difflib.get_close_matches(word, list(words), n=3, cutoff=0.6)
    near.sort(key=lambda other: sorted(other) != sorted(word))  # two letters in the wrong order come first
    return f"Did you mean {near[0]!r}?" if near else None


def as_error(problems: Sequence[tuple[str, Problem]], file: str) -> InputError:
    """One error for all problems of one file; each comes with the place where it was written."""
    seen = {(place, problem.text, problem.key[-1:]): (place, problem) for place, problem in reversed(problems)}
    ordered = sorted(seen.values(), key=lambda pair: (_line(pair[0]), pair[1].key and str(pair[1].key)))
    if len(ordered) == 1:
        return _error(*ordered[0])
    blocks = [_indented(str(_error(place, problem))) for place, problem in ordered]
    return InputError("\n".join([f"{len(ordered)} problems", *blocks]), where=file)


def _error(place: str, problem: Problem) -> InputError:
    name = dotted(problem.key)
    text = f"{name}: {problem.text}" if name else problem.text
    return InputError(text, where=place, expected=problem.expected, got=problem.got, repair=problem.repair)


def _line(place: str) -> int:
    """The line at the end of a place; what has none, such as --set, comes last."""
    line = place.rpartition(":")[2]
    return int(line) if line.isdecimal() else sys.maxsize


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())

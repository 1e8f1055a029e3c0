"""Command lines as flags with values, so that `--a 1`, `--a=1` and another order are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

_NUMBER = re.compile(r"-\d")
NOT_COMPARED = ("--host", "--port", "--model", "--served-model-name")  # of the place, or the same by design


def is_flag(word: str) -> bool:
    """A negative number is a value."""
    return word.startswith("-") and not _NUMBER.match(word)


def grouped(words: Iterable[str]) -> Iterator[list[str]]:
    """A flag with the values behind it, as they were written; what comes before the first flag is a group too."""
    group: list[str] = []
    for word in words:
        if is_flag(word) and group:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def split(group: list[str]) -> tuple[str, list[str]]:
    """A group's flag and its values, joined by `=` or not."""
    flag, is_joined, value = group[0].partition("=")
    return (flag, [value, *group[1:]]) if is_joined else (group[0], group[1:])


def flags(words: Iterable[str]) -> dict[str, str | None]:
    """Flag -> its value, None without one; what stands alone before the first flag is left out. The last one wins."""
    found: dict[str, str | None] = {}
    for group in (one for one in grouped(words) if is_flag(one[0])):
        flag, values = split(group)
        kept = values[:1] if "=" in group[0] else values  # a joined value is the only one
        found[flag] = " ".join(kept) if kept else None
    return found


def groups(words: Iterable[str]) -> list[tuple[str, ...]]:
    """Each flag with its values, in order, repeated ones too; what stands alone before the first flag is left out."""
    return [(flag, *values) for flag, values in (split(one) for one in grouped(words) if is_flag(one[0]))]


def differences(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """Each flag on which two command lines differ, in words; a flag that is not given leaves the engine's default."""
    left, right = flags(one), flags(other)
    names = [name for name in dict.fromkeys([*left, *right]) if name not in NOT_COMPARED]
    return [
        f"{name}: {_shown(left, name)} in the NIM, {_shown(right, name)} in the custom arm"
        for name in names
        if (name in left, left.get(name)) != (name in right, right.get(name))
    ]


def _shown(found: Mapping[str, str | None], name: str) -> str:
    if name not in found:
        return "not given"
    return found[name] or "given"

"""Command lines as flags with values, so that `--a 1`, `--a=1` and another order are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"-\d")
NOT_COMPARED = ("--host", "--port", "--model", "--served-model-name")  # of the place, or the same by design


def flags(words: Iterable[str]) -> dict[str, str | None]:
    """Flag -> its value, None without one; what stands alone before the first flag is left out. The last one wins."""
    found: dict[str, str | None] = {}
    name = None
    for word in words:
        if word.startswith("-") and not _NUMBER.match(word):
            name, is_joined, value = word.partition("=")
            found[name] = value if is_joined else None
            name = None if is_joined else name
        elif name is not None:
            found[name] = word if found[name] is None else f"{found[name]} {word}"
    return found


def groups(words: Iterable[str]) -> list[tuple[str, ...]]:
    """Each flag with its values, in order, repeated ones too; what stands alone before the first flag is left out."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("-") and not _NUMBER.match(word):
            name, is_joined, value = word.partition("=")
            found.append([name, value] if is_joined else [name])
        elif found:
            found[-1].append(word)
    return [tuple(group) for group in found]


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

"""One fact about this machine."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One fact about this machine. Only what is `needed` stops a run."""

    name: str
    ok: bool
    found: str
    expected: str
    repair: str
    needed: bool = True


def gib(size_bytes: int) -> str:
    """A size for a person."""
    return f"{size_bytes / (1 << 30):.1f} GiB"


def at_least(found: str, minimum: str) -> bool:
    """Whether a version is new enough; what follows its numbers, as in `20.10.24+dfsg1`, does not count."""
    return _numbers(found) >= _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, match[1].split("."))) if match else ()


def absent_modules(modules: Sequence[str]) -> list[str]:
    """Those that cannot be found; looks for the package only, because finding a submodule would import it."""
    return [name for name in modules if importlib.util.find_spec(name.partition(".")[0]) is None]

"""Progress: facts about a run under way, for a person's terminal, a CI log or a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `kind`: run block launch mark stage calibration warning report done."""

    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """The progress callback of callers that do not watch."""

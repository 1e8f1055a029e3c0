"""What was seen in many passes, told once: a finding for each arm and stage, with launches, count and range."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.conclusion import At
from bench.record import Finding
from bench.vocabulary import Severity

_NAMED = 6  # launches or causes by name; a reader who needs the others has the launches' own files


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One thing in one pass or launch."""

    arm: str
    launch: int
    stage: str | None = None  # None = at no stage
    numbers: tuple[float, ...] = ()  # its sizes, in the units of the finding's text
    cause: str = ""  # in words


@dataclass(frozen=True, slots=True)
class Gathered:
    """All of one kind at one stage of one arm, in order."""

    seen: tuple[Seen, ...]

    @property
    def where(self) -> str:
        """`3 passes (launches 1, 4, 5)`: passes are counted too, for a launch may go over a stage in several rounds."""
        count = len(self.seen)
        return f"{'one pass' if count == 1 else f'{count} passes'} ({self.launches})"

    @property
    def launches(self) -> str:
        """`launch 3`, `launches 1, 2, 3, 4, 5, 6 and 4 more`."""
        indices = self._indices
        return f"launch{'es' * (len(indices) > 1)} {listed(map(str, indices))}"

    @property
    def causes(self) -> str:
        """Each once."""
        return listed(dict.fromkeys(one.cause for one in self.seen), "; ")

    @property
    def _indices(self) -> list[int]:
        return sorted({one.launch for one in self.seen})

    def range_of(self, place: int, write: Callable[[float], str]) -> str:
        """`3 %`, or `3 % to 5 %` where the least and the most of the numbers there are not the same as written."""
        values = [one.numbers[place] for one in self.seen]
        low, high = write(min(values)), write(max(values))
        return low if low == high else f"{low} to {high}"

    def most(self, place: int) -> float:
        """Of the numbers there."""
        return max(one.numbers[place] for one in self.seen)

    def finding(self, name: str, severity: Severity, text: str, step: str | None = None) -> Finding:
        """About this arm and stage; about a launch only where it is the only one."""
        first, indices = self.seen[0], self._indices
        at: At = {"stage": first.stage} if first.stage is not None else {}
        launch = indices[0] if len(indices) == 1 else None
        return Finding(id=name, severity=severity, at=at, arm=first.arm, launch=launch, text=text, next=step)


def gather(seen: Iterable[Seen]) -> list[Gathered]:
    """By arm and stage, in the order in which they came."""
    groups: dict[tuple[str, str | None], list[Seen]] = {}
    for one in seen:
        groups.setdefault((one.arm, one.stage), []).append(one)
    return [Gathered(tuple(group)) for group in groups.values()]


def listed(names: Iterable[str], by: str = ", ") -> str:
    """The first six, and how many more."""
    known = list(names)
    more = len(known) - _NAMED
    return by.join(known[:_NAMED]) + (f" and {more} more" if more > 0 else "")

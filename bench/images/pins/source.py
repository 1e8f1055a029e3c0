"""Text that still knows from which line of its file every character comes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A text and where each of its pieces begins."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()  # (offset, line in the file), by offset

    def line_at(self, offset: int) -> int:
        """The 1-based line of the file that this character stands in."""
        place = bisect_right(self.marks, (offset, 1 << 62)) - 1
        return self.marks[place][1] if place >= 0 else 1

    def part(self, start: int, end: int | None = None) -> Source:
        """A slice, with its lines."""
        end = len(self.text) if end is None else end
        inside = tuple((offset - start, line) for offset, line in self.marks if start < offset < end)
        return Source(self.text[start:end], ((0, self.line_at(start)), *inside))


@dataclass(slots=True)
class Collector:
    """Builds a Source piece by piece."""

    pieces: list[str] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, line: int) -> None:
        """Text that stands in this line of the file."""
        if not self.marks or self.marks[-1][1] != line:
            self.marks.append((self.length, line))
        self.pieces.append(text)
        self.length += len(text)

    def source(self) -> Source:
        """What was collected."""
        return Source("".join(self.pieces), tuple(self.marks))


def of_lines(lines: Iterable[tuple[int, str]]) -> Source:
    """Whole lines with their numbers, each ended by a newline."""
    collector = Collector()
    for number, text in lines:
        collector.add(text + "\n", number)
    return collector.source()

"""The mean of the blocks' lines along the dose, with its interval: what a chart of dose and response draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.dose_fit import over_blocks, straight
from bench.analysis.dose_rows import Blocks
from bench.conclusion import Interval


@dataclass(frozen=True, slots=True)
class BandPoint:
    """The line at one dose."""

    gb: float
    mean: float
    ci95: Interval | None  # of the mean line, not of a launch


def band(metric: str, blocks: Blocks, doses_gb: Sequence[float]) -> tuple[BandPoint, ...]:
    """Empty where no block has a line."""
    fits = [
        fit
        for rows in blocks.values()
        if (fit := straight([row.dose_gb(metric) or 0.0 for row in rows], [row.times[metric] for row in rows]))
    ]
    points = []
    for gb in doses_gb:
        found = over_blocks([at_zero + slope * gb for at_zero, slope, _ in fits])
        if found:
            points.append(BandPoint(gb, found.value, found.ci95))
    return tuple(points)

"""Lines through what each block measured: the block is the replicate, never the launch.

Within a block a line goes through its launches by least squares; the intervals are t intervals over the blocks' lines,
so that what a whole block has in common (a busy disk, a cold page cache) widens them instead of hiding in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis import stats
from bench.analysis.compare import LEAST_CONSTANT
from bench.conclusion import Estimated, Interval

LEAST_POINTS = 3  # of a line in one block: two would always fit
LARGEST_INFLATION = 10.0  # of a coefficient's variance by the others; beyond, they are not told apart (a usual limit)


@dataclass(frozen=True, slots=True)
class Line:
    """One block's line: seconds at nothing, seconds per gigabyte on the wire and on the disk."""

    at_zero: float
    per_wire: float = 0.0
    per_disk: float = 0.0
    residual_squares: float = 0.0
    df: int = 0  # launches less coefficients

    def at(self, wire_gb: float, disk_gb: float) -> float:
        """The line's seconds at a dose."""
        return self.at_zero + self.per_wire * wire_gb + self.per_disk * disk_gb


def straight(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float] | None:
    """(at zero, slope, sum of squared residuals); None where the points are too few or all at one place."""
    if len(x) < LEAST_POINTS or max(x) - min(x) <= 0:
        return None
    centre, level = math.fsum(x) / len(x), math.fsum(y) / len(y)
    spread = math.fsum((a - centre) ** 2 for a in x)
    slope = math.fsum((a - centre) * (b - level) for a, b in zip(x, y, strict=True)) / spread
    rest = math.fsum((b - level - slope * (a - centre)) ** 2 for a, b in zip(x, y, strict=True))
    return level - slope * centre, slope, rest


def bend_s(x: Sequence[float], y: Sequence[float]) -> float | None:
    """How far a parabola through the points sinks below its own ends in the middle of their range; 0 for a line."""
    if len(set(x)) < LEAST_POINTS:
        return None
    scaled = np.asarray(x) / max(map(abs, x))
    quadratic = np.polyfit(scaled, np.asarray(y), 2)[0]
    return float(quadratic * ((scaled.max() - scaled.min()) / 2) ** 2)


def over_blocks(values: Sequence[float], *, is_ratio: bool = False) -> Estimated | None:
    """Mean and t interval; of ratios on the logarithm. One block has no interval, nor have two equal ones."""
    usable = [value for value in values if math.isfinite(value) and (value > 0 or not is_ratio)]
    if not usable or len(usable) < len(values):
        return None
    if len(usable) == 1:
        return Estimated(value=usable[0], ci95=None, n=1)
    estimate = stats.one_sample([math.log(value) for value in usable] if is_ratio else usable)
    centre = math.exp(estimate.centre) if is_ratio else estimate.centre
    if not estimate.se and len(usable) < LEAST_CONSTANT:
        return Estimated(value=centre, ci95=None, n=len(usable))
    low, high = estimate.interval(0.95)
    return Estimated(value=centre, ci95=(math.exp(low), math.exp(high)) if is_ratio else (low, high), n=len(usable))


def scatter_s(lines: Iterable[Line]) -> float | None:
    """Standard deviation of one launch about its block's line, over all blocks."""
    every = list(lines)
    df = sum(line.df for line in every)
    return math.sqrt(math.fsum(line.residual_squares for line in every) / df) if df else None


def prediction_interval(lines: Sequence[Line], predicted: Sequence[float]) -> Interval | None:
    """Where one further launch lies, 95 times of 100.

    Its variance is that of the mean line, of one block's line about it, and of a launch about its block's line. The
    second is taken as the blocks' lines scatter, which holds a part of the third; degrees of freedom after
    Satterthwaite. Simulated with 3 to 6 blocks it holds 94 of 100 where blocks differ much, 98 where launches do.
    """
    scatter, n = scatter_s(lines), len(predicted)
    if scatter is None or n < 2:
        return None
    mean, sd = stats.mean_sd(predicted)
    of_blocks, of_launch = sd**2 * (1 + 1 / n), scatter**2
    if not of_blocks + of_launch:
        return None if n < LEAST_CONSTANT else (mean, mean)
    df_launch = sum(line.df for line in lines)
    df = (of_blocks + of_launch) ** 2 / (of_blocks**2 / (n - 1) + of_launch**2 / df_launch)
    half = stats.t_quantile(0.975, df) * math.sqrt(of_blocks + of_launch)
    return mean - half, mean + half


def can_be_told_apart(columns: Sequence[Sequence[float]]) -> bool:
    """Whether regressors vary enough apart from each other: variance inflation of each at most LARGEST_INFLATION.

    Needs a point more than there are coefficients, so that the fit can miss.
    """
    table = np.asarray(columns, dtype=float)
    if table.shape[1] < len(columns) + 2 or not (np.ptp(table, axis=1) > 0).all():
        return False
    correlation = np.atleast_2d(np.corrcoef(table))
    if np.linalg.matrix_rank(correlation) < len(columns):
        return False
    return bool(np.diag(np.linalg.inv(correlation)).max() <= LARGEST_INFLATION)


def coefficients(columns: Sequence[Sequence[float]], y: Sequence[float]) -> tuple[float, ...] | None:
    """Of each column, beside an intercept; None where the block's launches cannot give them."""
    if not can_be_told_apart(columns):
        return None
    design = np.column_stack([np.ones(len(y)), *map(np.asarray, columns)])
    found, *_ = np.linalg.lstsq(design, np.asarray(y, dtype=float), rcond=None)
    return tuple(float(value) for value in found[1:])


def by_block(pairs: Iterable[tuple[int, float]]) -> Mapping[int, float]:
    """One number per block; the mean where a block holds an arm twice."""
    grouped: dict[int, list[float]] = {}
    for block, value in pairs:
        grouped.setdefault(block, []).append(value)
    return {block: math.fsum(values) / len(values) for block, values in grouped.items()}

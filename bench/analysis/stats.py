"""Statistics over a handful of launches: t intervals, power, sample size, Holm, sign flips, binomial intervals.

The unit is one number per launch. Everything here is exact for normal data (no bootstrap: at 3 to 10 launches a
percentile bootstrap covers 75 to 90 % where it says 95 %), and takes values that `compare.py` has already vetted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

Interval = tuple[float, float]

ALPHA = 0.05
POWER = 0.80
MOST_SIGN_FLIPS = 16  # 2^16 sums; from there on the t interval needs no second opinion
FLIPS_LEAST_PAIRS = 6  # below, the smallest two-sided p is over 5 %
_ROUNDING = 1e-12  # a spread below this share of the values is the rounding of equal numbers
_MOST_LAUNCHES = 100_000  # end of the search for a sample size


@dataclass(frozen=True, slots=True)
class Estimate:
    """A centre with its standard error on the working scale: logarithms for ratios, the unit for differences."""

    centre: float
    se: float
    df: float
    sd: float  # of one pair's difference; unpaired: of the difference of one launch of each arm

    def interval(self, confidence: float) -> Interval:
        """The two-sided t interval; the point itself where nothing varied."""
        half = t_quantile(0.5 + confidence / 2, self.df) * self.se if self.se else 0.0
        return self.centre - half, self.centre + half

    @property
    def p_two_sided(self) -> float:
        """Chance under the t test of a centre this far from a true 0."""
        if not self.se:
            return 0.0 if self.centre else 1.0
        return float(2 * special.stdtr(self.df, -abs(self.centre) / self.se))

    @property
    def smallest_seen(self) -> float | None:
        """Minimum detectable effect: the true centre that a 5 % test of this precision finds with 80 % power."""
        return noncentrality(self.df) * self.se if self.se else None


@lru_cache(maxsize=4096)
def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t."""
    return float(special.stdtrit(df, probability))


def average(values: Sequence[float], *, is_geometric: bool) -> float:
    """The geometric or the arithmetic mean; equal values give just that value, without the rounding of a logarithm."""
    if min(values) == max(values):
        return values[0]
    total = math.fsum(map(math.log, values) if is_geometric else values)
    return math.exp(total / len(values)) if is_geometric else total / len(values)


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; 0 where the values differ by rounding only."""
    mean = math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, 0.0 if sd <= _ROUNDING * max(map(abs, values)) else sd


def one_sample(values: Sequence[float]) -> Estimate:
    """The mean of independent values."""
    mean, sd = mean_sd(values)
    return Estimate(mean, sd / math.sqrt(len(values)), len(values) - 1, sd)


def paired(baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
    """Mean difference candidate - baseline over pairs."""
    differences = [c - b for b, c in zip(baseline, candidate, strict=True)]
    estimate = one_sample(differences)
    scale = max(map(abs, (*baseline, *candidate)))
    return Estimate(estimate.centre, 0.0, estimate.df, 0.0) if estimate.sd <= _ROUNDING * scale else estimate


def welch(baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
    """Mean difference candidate - baseline of unpaired launches, variances unequal."""
    mean_b, sd_b = mean_sd(baseline)
    mean_c, sd_c = mean_sd(candidate)
    var_b, var_c = sd_b**2 / len(baseline), sd_c**2 / len(candidate)
    if not (var_b or var_c):
        return Estimate(mean_c - mean_b, 0.0, len(baseline) + len(candidate) - 2, 0.0)
    df = (var_b + var_c) ** 2 / (var_b**2 / (len(baseline) - 1) + var_c**2 / (len(candidate) - 1))
    return Estimate(mean_c - mean_b, math.sqrt(var_b + var_c), df, math.hypot(sd_b, sd_c))


def trend(places: Sequence[float], values: Sequence[float]) -> Estimate:
    """The slope of values over places, by least squares."""
    n, centre, level = len(places), math.fsum(places) / len(places), math.fsum(values) / len(values)
    spread = math.fsum((x - centre) ** 2 for x in places)
    slope = math.fsum((x - centre) * (y - level) for x, y in zip(places, values, strict=True)) / spread
    rest = math.fsum((y - level - slope * (x - centre)) ** 2 for x, y in zip(places, values, strict=True))
    sd = math.sqrt(rest / (n - 2))
    return Estimate(slope, sd / math.sqrt(spread), n - 2, sd)


@lru_cache(maxsize=1024)
def noncentrality(df: float) -> float:
    """The true effect, in standard errors, that a two-sided 5 % t test finds with 80 % power (noncentral t)."""
    critical = t_quantile(1 - ALPHA / 2, df)

    def power(effect: float) -> float:
        near = 1 - special.nctdtr(df, effect, critical)
        # Of the far tail less than 1e-6 is left from 4 on, and scipy gives nan for some of it.
        return float(near + special.nctdtr(df, effect, -critical) if effect < 4 else near)

    low, high = 0.0, 1.0
    while power(high) < POWER:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return high


def launches_needed(estimate: Estimate, margin: float, launches_now: int) -> int | None:
    """Launches of each arm, all told, after which an open comparison should be decided; None beyond any budget.

    The least n with n >= ((t.95 + t.90) sd / margin)^2: enough to show equality with 80 % power if the arms are equal
    (and, to within a launch, to see a difference of one margin). Never fewer than would decide it if centre and
    spread stayed as they are now.
    """
    centre, sd = abs(estimate.centre), estimate.sd

    def enough(n: int) -> bool:
        se, df = sd / math.sqrt(n), n - 1
        planned = (t_quantile(0.95, df) + t_quantile(0.90, df)) * se <= margin
        equal = centre + t_quantile(0.95, df) * se <= margin
        direction = t_quantile(0.975, df) * se < centre
        return planned and (equal or direction)

    low = high = max(launches_now + 1, 2)
    while not enough(high):
        low, high = high + 1, high * 2
        if high > _MOST_LAUNCHES:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Exact two-sided p of the sign-flip permutation test; None where the pairs are too few or too many for it."""
    n = len(differences)
    if not FLIPS_LEAST_PAIRS <= n <= MOST_SIGN_FLIPS:
        return None
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ np.asarray(differences, dtype=float))
    observed = abs(math.fsum(differences))
    return float(np.mean(sums >= observed * (1 - 1e-9)))


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact binomial interval."""
    tail = (1 - confidence) / 2
    low = float(special.betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high

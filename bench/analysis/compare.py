"""One comparison: two arms' numbers, one per launch, to a ratio with intervals and a verdict.

`equal` is proved (TOST), never assumed; a statistic that cannot be had gives `unknown` with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.analysis import stats
from bench.conclusion import At, Comparison, Interval
from bench.vocabulary import Better, Kind, Role, Verdict

LEAST_PAIRS = 2
LEAST_CONSTANT = 3  # so many equal values before "nothing varies" is believed

Sample = Mapping[Any, float | None]  # block (or any label of a launch) -> its one number; None = it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is compared: `margin` is a ratio - 1, or an amount of the unit for a difference."""

    metric: str
    unit: str
    better: Better
    margin: float
    kind: Kind = Kind.SAMPLED

    @property
    def is_ratio(self) -> bool:
        """Whether the scale of work is the logarithm."""
        return self.kind is not Kind.DIFFERENCE

    @property
    def null(self) -> float:
        """The value that says no difference."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def region(self) -> Interval:
        """From where to where a difference does not matter."""
        return (1 / (1 + self.margin), 1 + self.margin) if self.is_ratio else (-self.margin, self.margin)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The numbers that enter, in order; paired by block where the arms share blocks."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]
    paired: bool
    lacking: int  # launches that ran but have no such number

    @property
    def n(self) -> dict[str, int]:
        """The counts as summary.json has them."""
        return {"baseline": len(self.baseline), "candidate": len(self.candidate), "pairs": self.pairs}

    @property
    def pairs(self) -> int:
        """Complete pairs; 0 where the arms share no block."""
        return len(self.baseline) if self.paired else 0


def pair_up(baseline: Sample, candidate: Sample, *, paired: bool | None = None) -> Pairing:
    """Pair by block; without one shared block (or when told so) the launches stand unpaired."""
    shared = [block for block in baseline if block in candidate]
    is_paired = bool(shared) if paired is None else paired
    blocks_b, blocks_c = (shared, shared) if is_paired else (list(baseline), list(candidate))
    entering = [*(baseline[b] for b in blocks_b), *(candidate[c] for c in blocks_c)]
    lacking = sum(value is None for value in entering)
    if is_paired:
        full = [(b, c) for b, c in ((baseline[k], candidate[k]) for k in shared) if b is not None and c is not None]
        return Pairing(tuple(b for b, _ in full), tuple(c for _, c in full), True, lacking)
    known_b = tuple(value for value in baseline.values() if value is not None)
    return Pairing(known_b, tuple(value for value in candidate.values() if value is not None), False, lacking)


def compare(
    measure: Measure,
    baseline: tuple[str, Sample],
    candidate: tuple[str, Sample],
    *,
    at: At | None = None,
    role: Role = Role.SECONDARY,
    paired: bool | None = None,
    not_comparable: str | None = None,
    lacking: str | None = None,
    withhold: str | None = None,
) -> Comparison:
    """The comparison of `candidate` with `baseline`, each (arm, numbers by block).

    `not_comparable`: the audit's reason why the ratio means nothing. `lacking`: why some launches have no number.
    `withhold`: why no verdict may be given yet.
    """
    pairing = pair_up(baseline[1], candidate[1], paired=paired)
    reason = withhold or _problem(measure, pairing, lacking)
    estimate = None if reason or measure.kind is Kind.EXACT else _estimate(measure, pairing)
    if estimate and not estimate.se and _fewest(pairing) < LEAST_CONSTANT:
        reason, estimate = f"{_fewest(pairing)} launches do not show that nothing varies", None
    ci95, ci90 = (_back(measure, estimate.interval(level)) if estimate else None for level in (0.95, 0.90))
    value_b, value_c = _centre(measure, pairing.baseline), _centre(measure, pairing.candidate)
    ratio = value_c / value_b if measure.is_ratio and value_b and value_c and _all_positive(pairing) else None
    delta = value_c - value_b if not measure.is_ratio and None not in (value_b, value_c) else None  # type: ignore[operator]
    if not_comparable or reason:
        verdict = Verdict.NOT_COMPARABLE if not_comparable else Verdict.UNKNOWN
    elif measure.kind is Kind.EXACT and ratio is not None:
        verdict = judge(measure, (ratio, ratio), (ratio, ratio))
    else:
        assert ci95 is not None and ci90 is not None  # no reason against it, so there is an estimate
        verdict = judge(measure, ci95, ci90)
    return Comparison(
        metric=measure.metric,
        at=at or {},
        baseline=baseline[0],
        candidate=candidate[0],
        role=role,
        kind=measure.kind,
        unit=measure.unit,
        better=measure.better,
        baseline_value=value_b,
        candidate_value=value_c,
        ratio=ratio,
        ci95=ci95,
        ci90=ci90,
        delta=delta,
        margin=measure.margin,
        verdict=verdict,
        reason=not_comparable or reason,
        method=_method(measure, pairing),
        p_holm=None,
        n=pairing.n,
        mde=_mde(measure, estimate),
        launches_needed=_needed(measure, estimate, pairing) if verdict is Verdict.INCONCLUSIVE else None,
    )


def judge(measure: Measure, ci95: Interval, ci90: Interval) -> Verdict:
    """The verdict from the candidate's side: the first that holds."""
    low, high = measure.region
    if low <= ci90[0] and ci90[1] <= high:
        return Verdict.EQUAL
    up_is_good = measure.better is Better.HIGHER
    if ci95[0] > high:
        return Verdict.BETTER if up_is_good else Verdict.WORSE
    if ci95[1] < low:
        return Verdict.WORSE if up_is_good else Verdict.BETTER
    if ci95[0] > measure.null:
        return Verdict.AHEAD if up_is_good else Verdict.BEHIND
    if ci95[1] < measure.null:
        return Verdict.BEHIND if up_is_good else Verdict.AHEAD
    return Verdict.INCONCLUSIVE


def p_value(measure: Measure, baseline: Sample, candidate: Sample, *, paired: bool | None = None) -> float | None:
    """Two-sided p of no difference; None where no statistic can be had."""
    pairing = pair_up(baseline, candidate, paired=paired)
    if measure.kind is Kind.EXACT or _problem(measure, pairing, None):
        return None
    estimate = _estimate(measure, pairing)
    return estimate.p_two_sided if estimate.se else None


def differences(measure: Measure, baseline: Sample, candidate: Sample) -> list[float]:
    """Per shared block, candidate against baseline on the scale of work; empty where there is no statistic."""
    pairing = pair_up(baseline, candidate)
    if not pairing.paired or _problem(measure, pairing, None):
        return []
    return [c - b for b, c in zip(*_scaled(measure, pairing), strict=True)]


def _problem(measure: Measure, pairing: Pairing, lacking: str | None) -> str | None:
    """Why no statistic can be had, or None."""
    values = (*pairing.baseline, *pairing.candidate)
    if pairing.lacking:
        # Leaving out just these would keep the launches in which the arm was fast enough: a biased choice.
        return lacking or f"{pairing.lacking} launches have no such number"
    if not all(map(math.isfinite, values)):
        return "a launch's number is not finite"
    if measure.is_ratio and not _all_positive(pairing):
        return "a launch's number is zero or negative: no ratio"
    least = 1 if measure.kind is Kind.EXACT else LEAST_PAIRS
    if _fewest(pairing) < least:
        what = "pairs of launches" if pairing.paired else "launches of each arm"
        return f"needs at least {least} {what} (has {_fewest(pairing)})"
    return None


def _all_positive(pairing: Pairing) -> bool:
    """Whether the numbers have a ratio at all: below 0 it changes its sign, and near 0 it says nothing."""
    return all(value > 0 for value in (*pairing.baseline, *pairing.candidate))


def _fewest(pairing: Pairing) -> int:
    return min(len(pairing.baseline), len(pairing.candidate))


def _scaled(measure: Measure, pairing: Pairing) -> tuple[list[float], list[float]]:
    if not measure.is_ratio:
        return list(pairing.baseline), list(pairing.candidate)
    return [math.log(v) for v in pairing.baseline], [math.log(v) for v in pairing.candidate]


def _estimate(measure: Measure, pairing: Pairing) -> stats.Estimate:
    baseline, candidate = _scaled(measure, pairing)
    return stats.paired(baseline, candidate) if pairing.paired else stats.welch(baseline, candidate)


def _back(measure: Measure, interval: Interval) -> Interval:
    return (math.exp(interval[0]), math.exp(interval[1])) if measure.is_ratio else interval


def _centre(measure: Measure, values: tuple[float, ...]) -> float | None:
    if not values or not all(map(math.isfinite, values)):
        return None
    return stats.average(values, is_geometric=measure.is_ratio and min(values) > 0)


def _method(measure: Measure, pairing: Pairing) -> str:
    if measure.kind is Kind.EXACT:
        return "exact"
    return f"{'paired' if pairing.paired else 'welch'}{'-log' if measure.is_ratio else ''}-t"


def _mde(measure: Measure, estimate: stats.Estimate | None) -> float | None:
    effect = estimate.smallest_seen if estimate else None
    return math.expm1(effect) if effect is not None and measure.is_ratio else effect


def _needed(measure: Measure, estimate: stats.Estimate | None, pairing: Pairing) -> int | None:
    margin = math.log1p(measure.margin) if measure.is_ratio else measure.margin
    return stats.launches_needed(estimate, margin, _fewest(pairing)) if estimate and margin > 0 else None

"""Numbers in sentences: just enough digits, always with the unit."""

from __future__ import annotations

from bench.analysis.metrics import BY_NAME
from bench.conclusion import At, Comparison
from bench.vocabulary import Kind


def metric_name(comparison: Comparison) -> str:
    """`output tokens/s`, `TTFT p50`."""
    metric = BY_NAME.get(comparison.metric)
    label = metric.label if metric else comparison.metric
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def place(at: At) -> str:
    """` at c4`, or nothing where there is no place."""
    return f" at {' '.join(at.values())}" if at else ""


def percent(share: float) -> str:
    """`5 %`, `0.1 %`."""
    return f"{share * 100:.3g} %"


def times(ratio: float, like: float | None = None) -> str:
    """`1.93`; three decimals near 1, where the third one matters. `like`: with the digits of this ratio."""
    guide = ratio if like is None else like
    return f"{ratio:.3f}" if 0.8 <= guide <= 1.25 else f"{ratio:.2f}" if guide >= 0.1 else f"{ratio:.3g}"


def outcome(comparison: Comparison) -> str:
    """`four-slots: 1.93× the output tokens/s of one-slot at c4 (95 % CI 1.90–1.96, 3 pairs)`."""
    what, where = metric_name(comparison), place(comparison.at)
    if comparison.kind is Kind.DIFFERENCE:
        size = "unknown" if comparison.delta is None else f"{comparison.delta:+.3g}"
        return f"{comparison.candidate}: {what} {size} against {comparison.baseline}{where}{_precision(comparison)}"
    if comparison.ratio is None:
        return f"{comparison.candidate} against {comparison.baseline}: {what}{where} has no ratio"
    ratio = f"{times(comparison.ratio)}×"
    return f"{comparison.candidate}: {ratio} the {what} of {comparison.baseline}{where}{_precision(comparison)}"


def _precision(comparison: Comparison) -> str:
    count = comparison.n
    pairs = f"{count['pairs']} pair{'s' * (count['pairs'] != 1)}"
    n = pairs if count["pairs"] else f"{count['baseline']} + {count['candidate']} launches"
    if comparison.ci95 is None:
        return f" ({n}, no interval)"
    low, high = comparison.ci95
    if comparison.ratio is None:
        return f" (95 % CI {low:+.3g} to {high:+.3g}, {n})"
    return f" (95 % CI {times(low, comparison.ratio)}–{times(high, comparison.ratio)}, {n})"

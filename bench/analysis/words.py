"""Numbers in sentences: just enough digits, always with the unit."""

from __future__ import annotations

from bench.analysis.metrics import BY_NAME
from bench.conclusion import At, Comparison
from bench.vocabulary import Kind

DOUBLE = 2.0  # from here on "2.1×" reads better than "110 % higher"


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
    return f"{share * 100:.3g} %" if share < 10 else f"{share * 100:.0f} %"


def amount(value: float, unit: str, *, sign: bool = False) -> str:
    """`+1.2 %-points`, `0.5 s`: a difference in the metric's own unit."""
    scaled, shown = (value * 100, "%-points") if unit == "ratio" else (value, unit)
    return f"{scaled:{'+' if sign else ''}.3g} {shown}"


def margin(comparison: Comparison) -> str:
    """`5 %`, or `0.1 %-points` of a difference."""
    if comparison.kind is Kind.DIFFERENCE:
        return amount(comparison.margin, comparison.unit)
    return percent(comparison.margin)


def smallest_seen(comparison: Comparison) -> str:
    """`66 % higher or 40 % lower`: a ratio is as far from 1 as its reciprocal."""
    mde = comparison.mde or 0.0
    if comparison.kind is Kind.DIFFERENCE:
        return amount(mde, comparison.unit)
    return f"{percent(mde)} higher or {percent(mde / (1 + mde))} lower"


def times(ratio: float) -> str:
    """`2.31`, `12.4`."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}"


def outcome(comparison: Comparison) -> str:
    """`custom: output tokens/s 28.0 % higher than nim at c4 (95 % CI 8.1 to 53.0 % higher, 3 pairs)`."""
    what, where = metric_name(comparison), place(comparison.at)
    if comparison.kind is Kind.DIFFERENCE:
        size = "not known" if comparison.delta is None else amount(comparison.delta, comparison.unit, sign=True)
        return f"{comparison.candidate}: {what} {size} against {comparison.baseline}{where}{_precision(comparison)}"
    if comparison.ratio is None:
        return f"{comparison.candidate} against {comparison.baseline}: {what}{where} has no ratio"
    size = f"{times(comparison.ratio)}× that of" if comparison.ratio >= DOUBLE else f"{change(comparison.ratio)} than"
    return f"{comparison.candidate}: {what} {size} {comparison.baseline}{where}{_precision(comparison)}"


def change(ratio: float) -> str:
    """`28.0 % higher`, `75.0 % lower`."""
    return f"{abs(ratio - 1) * 100:.1f} % {'higher' if ratio >= 1 else 'lower'}"


def _span(low: float, high: float) -> str:
    """The interval in the words of its centre: one direction is said once."""
    if low >= DOUBLE:
        return f"{times(low)}× to {times(high)}×"
    if (low < 1) != (high < 1) or high >= DOUBLE:
        return f"{change(low)} to {f'{times(high)}×' if high >= DOUBLE else change(high)}"
    near, far = (high, low) if low < 1 else (low, high)
    return f"{abs(near - 1) * 100:.1f} to {change(far)}"


def _precision(comparison: Comparison) -> str:
    count = comparison.n
    pairs = f"{count['pairs']} pair{'s' * (count['pairs'] != 1)}"
    n = pairs if count["pairs"] else f"{count['baseline']} + {count['candidate']} launches"
    if comparison.ci95 is None:
        return f" ({n}, no interval)"
    low, high = comparison.ci95
    if comparison.ratio is None:
        ends = [amount(end, comparison.unit, sign=True) for end in (low, high)]
        return f" (95 % CI {' to '.join(ends)}, {n})"
    return f" (95 % CI {_span(low, high)}, {n})"


def watts(power_w: float) -> str:
    """Three digits, and the unit."""
    return f"{power_w:.3g} W"

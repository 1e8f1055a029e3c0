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
    return f"{share * 100:.3g} %"


def times(ratio: float) -> str:
    """`2.31`, `12.4`."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}"


def outcome(comparison: Comparison) -> str:
    """`custom: output tokens/s 28.0 % higher than nim at c4 (95 % CI 8.1 to 53.0 % higher, 3 pairs)`."""
    what, where = metric_name(comparison), place(comparison.at)
    if comparison.kind is Kind.DIFFERENCE:
        size = "unknown" if comparison.delta is None else f"{comparison.delta:+.3g}"
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
        return f" (95 % CI {low:+.3g} to {high:+.3g}, {n})"
    return f" (95 % CI {_span(low, high)}, {n})"

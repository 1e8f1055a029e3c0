"""An image's times from the series alone, block by block, held against what the same blocks measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.analysis import dose_fit
from bench.analysis.dose_fit import Line, over_blocks
from bench.analysis.dose_reach import beyond
from bench.analysis.dose_rows import PER, PULLS, DoseRow, blocks_of
from bench.conclusion import Dose, Interval, Prediction
from bench.model import Dose as Asked

PREDICTED = tuple(metric for metric in PER if metric != "build_s")


def line_of(metric: str, rows: Sequence[DoseRow]) -> Line | None:
    """One block's line of a metric over wire and disk bytes."""
    moved = [row.moved(metric) for row in rows]
    wire, disk = [one.wire_gb or 0.0 for one in moved], [one.disk_gb or 0.0 for one in moved]
    seconds = [row.times[metric] for row in rows]
    if metric in PULLS:
        download = dose_fit.straight(wire, [row.times["download_s"] for row in rows])
        if download is None:
            return None
        rest = dose_fit.straight(disk, [s - download[1] * gb for s, gb in zip(seconds, wire, strict=True)])
        return _line(rest, len(rows), per_wire=download[1], is_wire=False)
    is_wire = PER[metric] == "wire"
    return _line(dose_fit.straight(wire if is_wire else disk, seconds), len(rows), per_wire=0.0, is_wire=is_wire)


def _line(fit: tuple[float, float, float] | None, n: int, *, per_wire: float, is_wire: bool) -> Line | None:
    if fit is None:
        return None
    at_zero, slope, rest = fit
    wire, disk = (slope, 0.0) if is_wire else (per_wire, slope)
    return Line(at_zero=at_zero, per_wire=wire, per_disk=disk, residual_squares=rest, df=n - 2)


def predictions(asked: Asked, rows: Sequence[DoseRow], doses: Sequence[Dose]) -> tuple[Prediction, ...]:
    """Of every arm to predict, every metric that bytes can explain."""
    by_arm = {dose.arm: dose for dose in doses}
    series = [by_arm[arm] for arm in asked.series if arm in by_arm]
    found = []
    for metric in PREDICTED:
        wanted = (metric, "download_s") if metric in PULLS else (metric,)
        lines = {
            block: line
            for block, mine in blocks_of(rows, asked.series, *wanted).items()
            if (line := line_of(metric, mine))
        }
        for arm in asked.predict:
            mine = [row for few in blocks_of(rows, (arm,), metric).values() for row in few if row.block in lines]
            if mine:
                found.append(_prediction(metric, mine, lines, beyond(metric, by_arm[arm], series)))
    return tuple(found)


def _prediction(
    metric: str, mine: Sequence[DoseRow], lines: Mapping[int, Line], beyond_by: tuple[str, ...]
) -> Prediction:
    measured = [row.times[metric] for row in mine]
    moved = [(row.block, row.moved(metric)) for row in mine]
    predicted = [lines[block].at(one.wire_gb or 0.0, one.disk_gb or 0.0) for block, one in moved]
    interval = dose_fit.prediction_interval([lines[row.block] for row in mine], predicted)
    ratios = [m / p if p > 0 else -1.0 for m, p in zip(measured, predicted, strict=True)]
    estimate = over_blocks(measured)
    assert estimate is not None  # measured times are finite
    return Prediction(
        metric=metric,
        arm=mine[0].arm,
        predicted_s=fmean(predicted),
        interval95=interval,
        measured=estimate,
        ratio=over_blocks(ratios, is_ratio=True),
        within=sum(interval[0] <= value <= interval[1] for value in measured) if interval else None,
        is_informative=informs(interval, fmean(predicted)) if interval else None,
        beyond=beyond_by,
    )


def informs(interval: Interval, predicted_s: float) -> bool:
    """Whether an interval is no wider than the prediction itself, both in seconds.

    A wider one reaches from next to nothing to half as much again or more: a launch inside it proves little. Its width
    is that before it is cut at 0, since a prediction does not become sharper because no time is negative. What was
    measured has no say, or misses would be called uninformative for lying far off.
    """
    return interval[1] - interval[0] <= predicted_s

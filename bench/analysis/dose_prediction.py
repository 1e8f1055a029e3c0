"""An image's times from the series alone, block by block, held against what the same blocks measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.analysis import dose_fit
from bench.analysis.dose_fit import Line, over_blocks
from bench.analysis.dose_rows import PER, PULLS, DoseRow, blocks_of
from bench.conclusion import Dose, Prediction
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
                found.append(_prediction(metric, mine, lines, _is_beyond(metric, arm, asked.series, doses)))
    return tuple(found)


def _prediction(metric: str, mine: Sequence[DoseRow], lines: Mapping[int, Line], is_beyond: bool) -> Prediction:
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
        is_beyond_series=is_beyond,
    )


def _is_beyond(metric: str, arm: str, series: Sequence[str], doses: Sequence[Dose]) -> bool:
    kinds = ("wire_bytes", "disk_bytes") if metric in PULLS else (f"{PER[metric]}_bytes",)
    by_arm = {dose.arm: dose for dose in doses}
    for kind in kinds:
        known = [value for one in series if one in by_arm and (value := getattr(by_arm[one], kind)) is not None]
        mine = getattr(by_arm[arm], kind)
        if mine is not None and known and not min(known) <= mine <= max(known):
            return True
    return False

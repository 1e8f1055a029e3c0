"""Dose and response: the seconds that a gigabyte (10^9 bytes) of image costs, and what that predicts of other images.

The series is one engine on one base with more and more ballast. Downloading is laid to the bytes on the wire; pushing
(which compresses every byte anew, and sends the whole image), unpacking, building and the start to the bytes on the
disk. One number per image cannot tell what compressing costs and what sending, so these prices hold for bytes that
compress as the series' do; `dose_reach` says for which images that is not so. A pull is the download
of its wire bytes and, for all the rest of it, its disk bytes. What a build takes is not predicted: an image that
compiles its engine does not take longer for its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.analysis import break_even, dose_fit
from bench.analysis.dose_doubts import doubts
from bench.analysis.dose_fit import Line, over_blocks
from bench.analysis.dose_prediction import predictions
from bench.analysis.dose_reach import covered
from bench.analysis.dose_rows import PER, PULLS, Blocks, DoseRow, arms_of, blocks_of, dose_rows
from bench.analysis.numbers import Numbers
from bench.conclusion import Dose, DoseResponse, Packing, Slope, Split

_SPLIT = ("push_s", "download_s", "extract_s", *PULLS)


def respond(numbers: Numbers) -> DoseResponse | None:
    """Everything that the launches say of the dose; None where the scenario asks for none."""
    asked = numbers.scenario.dose
    if asked is None:
        return None
    rows = dose_rows(numbers)
    doses = tuple(dose for arm in arms_of(asked) if (dose := _dose(arm, rows)))
    slopes = tuple(slope for metric in PER if (slope := slope_of(metric, blocks_of(rows, asked.series, metric))))
    splits = tuple(split for metric in _SPLIT if (split := _split(metric, rows, (*asked.series, *asked.predict))))
    foretold = predictions(asked, rows, doses)
    return DoseResponse(
        doses=doses,
        slopes=slopes,
        splits=splits,
        predictions=foretold,
        packings=tuple(packing for pair in asked.pairs for metric in PER if (packing := _packing(metric, rows, *pair))),
        break_even=break_even.bandwidths(asked, rows, slopes),
        bandwidth_bits_per_s=numbers.scenario.coldstart.bandwidth_bits_per_s,
        doubts=doubts(asked, doses, slopes, splits, foretold),
        covered=covered([dose for dose in doses if dose.arm in asked.series]),
    )


def _dose(arm: str, rows: Sequence[DoseRow]) -> Dose | None:
    mine = [row for row in rows if row.arm == arm]
    if not mine:
        return None

    def mean(values: list[float | None], unit: float) -> float | None:
        known = [value for value in values if value is not None]
        return fmean(known) * unit if known and len(known) == len(values) else None

    return Dose(
        arm=arm,
        wire_bytes=mean([row.wire_gb for row in mine], 1e9),
        disk_bytes=mean([row.disk_gb for row in mine], 1e9),
        files=mean([row.kilofiles for row in mine], 1e3),
        pushed_wire_bytes=mean([row.pushed.wire_gb for row in mine], 1e9),
        pushed_disk_bytes=mean([row.pushed.disk_gb for row in mine], 1e9),
        pushed_files=mean([row.pushed.kilofiles for row in mine], 1e3),
        layers=fmean(row.layers for row in mine),
    )


def slope_of(metric: str, blocks: Blocks) -> Slope | None:
    """The mean of the blocks' lines."""
    per = PER[metric]
    points = [([row.dose_gb(metric) or 0.0 for row in rows], [row.times[metric] for row in rows])
              for rows in blocks.values()]  # fmt: skip
    fits = [(fit, len(x)) for x, y in points if (fit := dose_fit.straight(x, y))]
    slope = over_blocks([fit[1] for fit, _ in fits])
    at_zero = over_blocks([fit[0] for fit, _ in fits])
    if slope is None or at_zero is None:
        return None
    bends = [bend for x, y in points if (bend := dose_fit.bend_s(x, y)) is not None]
    return Slope(
        metric=metric,
        per=per,
        s_per_gb=slope,
        at_zero_s=at_zero,
        bend_s=over_blocks(bends),
        scatter_s=dose_fit.scatter_s(Line(at_zero=0.0, residual_squares=fit[2], df=n - 2) for fit, n in fits),
    )


def _split(metric: str, rows: Sequence[DoseRow], arms: Sequence[str]) -> Split | None:
    """Wire, disk and, where they can be told apart from these, files; the same regressors in every block."""
    blocks = blocks_of([row for row in rows if row.moved(metric).kilofiles is not None], arms, metric)
    for with_files in (True, False):
        found = [
            (block, found)
            for block, mine in blocks.items()
            if (found := dose_fit.coefficients(_columns(metric, mine, with_files), [row.times[metric] for row in mine]))
        ]
        if found:
            wire, disk, *files = (over_blocks([c[place] for _, c in found]) for place in range(2 + with_files))
            if wire and disk:
                used = {row.arm for block, _ in found for row in blocks[block]}
                names = tuple(arm for arm in arms if arm in used)
                per_files = files[0] if files else None
                return Split(
                    metric=metric, arms=names, s_per_wire_gb=wire, s_per_disk_gb=disk, s_per_1000_files=per_files
                )
    return None


def _columns(metric: str, rows: Sequence[DoseRow], with_files: bool) -> list[list[float]]:
    moved = [row.moved(metric) for row in rows]
    columns = [[one.wire_gb or 0.0 for one in moved], [one.disk_gb or 0.0 for one in moved]]
    return [*columns, [one.kilofiles or 0.0 for one in moved]] if with_files else columns


def _packing(metric: str, rows: Sequence[DoseRow], first: str, second: str) -> Packing | None:
    one, other = (
        dose_fit.by_block((row.block, row.times[metric]) for row in rows if row.arm == arm and metric in row.times)
        for arm in (first, second)
    )
    shared = [block for block in one if block in other]
    ratio = over_blocks([other[block] / one[block] if one[block] > 0 else -1.0 for block in shared], is_ratio=True)
    if ratio is None:
        return None
    means = (fmean(values[block] for block in shared) for values in (one, other))
    return Packing(metric=metric, first=first, second=second, first_s=next(means), second_s=next(means), ratio=ratio)

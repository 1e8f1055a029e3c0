"""The tables of a dose: slopes, predictions, packings, break-even bandwidths, and what each pull brought."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.conclusion import BreakEven, Dose, DoseResponse, Estimated, Interval, Prediction, Slope, Split
from bench.report import format as fmt
from bench.report.glossary import label

_PER_GB = "s/GB"
_KINDS = {"wire": "on the wire", "disk": "on the disk"}
_BEYOND = {"bytes": "size", "files": "number of files", "compression": "compression"}
_NONE = "—"
_S = fmt.Scale(1.0, "s")  # one unit in a column


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ready to be shown: the first cell of each row is its heading, a second line of a cell is small."""

    title: str
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(found: DoseResponse) -> tuple[Table, ...]:
    """Those that have rows."""
    every = (_slopes(found), _predictions(found), _packings(found), _break_even(found), _splits(found), _doses(found))
    return tuple(table for table in every if table.rows)


def _slopes(found: DoseResponse) -> Table:
    return Table(
        "Seconds per gigabyte",
        "In each block a line goes through the launches of the series by least squares; the slope is the mean of the "
        "blocks' slopes, its 95 % interval a t interval over the blocks. Bend: how far the middle of the series lies "
        "below its ends if a parabola is laid through it; 0 is a straight line. Scatter: standard deviation of one "
        "launch about its block's line.",
        ("time", "slope\n95 % interval", "of a GB", "at 0 GB", "bend\n95 % interval", "scatter", "blocks"),
        tuple(_slope(slope) for slope in found.slopes),
    )  # fmt: skip


def _slope(slope: Slope) -> tuple[str, ...]:
    bend = slope.bend_s
    return (
        label(slope.metric), _per_gb(slope.s_per_gb), _KINDS[slope.per],
        fmt.quantity(slope.at_zero_s.value, "s", ci=slope.at_zero_s.ci95, scale=_S),
        _estimated(bend),
        fmt.quantity(slope.scatter_s, "s", scale=_S), str(slope.s_per_gb.n),
    )  # fmt: skip


def _predictions(found: DoseResponse) -> Table:
    return Table(
        "Predicted from the series, and measured",
        "The prediction knows only the bytes of the image and the series; its interval is for one launch. The ratio is "
        "taken within the blocks. A pull is predicted as a download of the bytes on the wire and, for the rest, by the "
        "bytes on the disk. Not covered by the series: the image has more or fewer bytes than any of it, many times "
        "more or fewer files, or bytes that compress otherwise, where these matter; the prediction does not apply to "
        "it. Not informative: the interval (before it is cut at 0) is wider than the predicted time itself. A build is "
        "not predicted.",
        ("time, image", "predicted\n95 % interval of a launch", "measured\n95 % interval",
         "measured / predicted\n95 % interval", "launches inside"),
        tuple(_prediction(one) for one in found.predictions),
    )  # fmt: skip


def _prediction(one: Prediction) -> tuple[str, ...]:
    reasons = ", ".join(_BEYOND[by] for by in one.beyond)
    ci = (max(0.0, one.interval95[0]), max(0.0, one.interval95[1])) if one.interval95 else None
    inside = f"{one.within} of {one.measured.n}" if one.within is not None else fmt.UNKNOWN
    return (
        _with(
            f"{label(one.metric)}, {fmt.safe_text(one.arm, 60)}", reasons and f"not covered by the series: {reasons}"
        ),
        _with(fmt.quantity(max(0.0, one.predicted_s), "s", ci=one.interval95, scale=_S), interval(ci, "s")),
        _estimated(one.measured),
        _ratio(one.ratio),
        _with("not informative", f"{inside} inside") if one.is_informative is False else inside,
    )


def _packings(found: DoseResponse) -> Table:
    return Table(
        "The same bytes, packed otherwise",
        "The second image over the first within the blocks, geometric mean with a t interval.",
        ("time, images", "first", "second", "second / first\n95 % interval", "blocks"),
        tuple(
            (
                f"{label(one.metric)}, {fmt.safe_text(one.second, 60)} against {fmt.safe_text(one.first, 60)}",
                fmt.quantity(one.first_s, "s", scale=_S), fmt.quantity(one.second_s, "s", scale=_S), _ratio(one.ratio),
                str(one.ratio.n),
            )
            for one in found.packings
        ),
    )  # fmt: skip


def _break_even(found: DoseResponse) -> Table:
    return Table(
        "Break-even bandwidths",
        "Of an image: below this bandwidth its bytes take longer to come down than to be unpacked; above it a faster "
        "network changes little. Of two packings of one program: what the network does not cause is the pull to the "
        "first token less the download. The leaner image comes sooner to its first token below 8 × wire bytes saved / "
        "what it loses of that time (paired within the blocks); where it loses none, at any bandwidth. Exact at the "
        "bandwidth of this run and for images of one layer; elsewhere rough, since more or less of the unpacking hides "
        "behind the download.",
        ("what", "bandwidth\n95 % interval", "saved on the wire", "lost beside the download\n95 % interval"),
        tuple(_bandwidth(one) for one in found.break_even),
    )  # fmt: skip


def _bandwidth(one: BreakEven) -> tuple[str, ...]:
    lost = one.lost_beside_download_s
    bandwidth = _with(fmt.quantity(one.bits_per_s, "bit/s"), interval(one.ci95, "bit/s"))
    if one.second is None:
        of = f"the image of {fmt.safe_text(one.first, 60)}" if one.first else "a gigabyte of the series"
        return (f"download = unpacking, {of}", bandwidth, _NONE, _NONE)
    always = _with("pays at any bandwidth", f"surely below {fmt.quantity(one.ci95[0], 'bit/s')}" if one.ci95 else "")
    return (
        f"{fmt.safe_text(one.second, 60)} instead of {fmt.safe_text(one.first, 60)}",
        always if one.bits_per_s is None else bandwidth,
        fmt.quantity(one.wire_bytes_saved, "bytes", scale=fmt.GB),
        _estimated(lost, sign=True),
    )  # fmt: skip


def _splits(found: DoseResponse) -> Table:
    arms = found.splits[0].arms if found.splits else ()
    return Table(
        "Wire, disk and files at once",
        f"Least squares within each block over {', '.join(fmt.safe_text(arm, 60) for arm in arms)}; the predicted "
        "images are in it, so it describes and predicts nothing.",
        ("time", "per GB on the wire\n95 % interval", "per GB on the disk\n95 % interval",
         "per 1000 files\n95 % interval", "blocks"),
        tuple(_split(one) for one in found.splits),
    )  # fmt: skip


def _split(one: Split) -> tuple[str, ...]:
    files = one.s_per_1000_files
    told = _estimated(files) if files else "not told apart"
    wire, disk = _per_gb(one.s_per_wire_gb), _per_gb(one.s_per_disk_gb)
    return (label(one.metric), wire, disk, told, str(one.s_per_wire_gb.n))


def _doses(found: DoseResponse) -> Table:
    return Table(
        "What each pull brought",
        "Mean over the launches; layers that the host had already are not in it. A push into the emptied registry "
        "sends them too. GB are 10^9 bytes.",
        ("image", "on the wire", "on the disk", "files", "layers", "pushed, on the wire", "pushed, on the disk"),
        tuple(_dose(one) for one in found.doses),
    )


def _dose(one: Dose) -> tuple[str, ...]:
    wire, disk, *pushed = (
        fmt.quantity(size, "bytes", scale=fmt.GB, decimals=3)
        for size in (one.wire_bytes, one.disk_bytes, one.pushed_wire_bytes, one.pushed_disk_bytes)
    )
    return (fmt.safe_text(one.arm, 60), wire, disk, fmt.number(one.files, 0), fmt.number(one.layers, 0), *pushed)


def _with(text: str, small: str) -> str:
    """A text with a smaller line below it."""
    return f"{text}\n{small}" if small else text


def _estimated(one: Estimated | None, *, sign: bool = False) -> str:
    if one is None:
        return fmt.UNKNOWN
    return _with(fmt.quantity(one.value, "s", ci=one.ci95, scale=_S, sign=sign), interval(one.ci95, "s"))


def seconds(one: Estimated) -> str:
    """A time with as many digits as its interval leaves it."""
    return fmt.quantity(one.value, "s", ci=one.ci95, scale=_S)


def _per_gb(one: Estimated) -> str:
    return _with(fmt.quantity(one.value, _PER_GB, ci=one.ci95), interval(one.ci95, _PER_GB))


def _ratio(one: Estimated | None) -> str:
    if one is None:
        return fmt.UNKNOWN
    return _with(fmt.ratio(one.value, one.ci95), fmt.ratio_interval(one.value, one.ci95) if one.ci95 else "")


def interval(ci: Interval | None, unit: str) -> str:
    """Both ends, the upper one perhaps infinite; nothing where there is no interval."""
    if ci is None:
        return ""
    if math.isinf(ci[1]):
        return f"[{fmt.quantity(ci[0], unit)}, ∞]"
    return fmt.interval(ci, unit, scale=_S if unit == "s" else None)

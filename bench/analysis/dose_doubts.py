"""What a reader must know before believing a slope: bytes that are not known, too few blocks, a curve, a gap."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.dose_fit import LARGEST_INFLATION, LEAST_POINTS, straight
from bench.analysis.dose_reach import COMPRESSION, covered, size_of
from bench.analysis.metrics import BY_NAME
from bench.conclusion import Dose, Prediction, Slope, Split
from bench.model import Dose as Asked

_AS_MUCH = (0.95, 1.05)  # wire over disk of ballast whose two kinds of gigabyte need not be told apart
_LEAST_BEND = 0.10  # share of the line's rise below which a curve does not matter


def doubts(
    asked: Asked,
    doses: Sequence[Dose],
    slopes: Sequence[Slope],
    splits: Sequence[Split],
    predictions: Sequence[Prediction] = (),
) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    return (
        *_bytes_not_known(asked, doses),
        *_blocks(slopes),
        *_curves(doses, slopes, asked.series),
        *_compressible(doses, asked.series),
        *_compresses_otherwise(predictions, doses, asked.series),
        *_push_is_wire(splits),
        *_files(doses, asked, splits),
        *([] if splits or not slopes else [_NOT_APART]),
    )


_NOT_APART = (
    "Bytes on the wire, bytes on the disk and files rise together in these images (variance inflation beyond "
    f"{LARGEST_INFLATION:g}), or there are too few images: what each costs cannot be told apart."
)


def _bytes_not_known(asked: Asked, doses: Sequence[Dose]) -> list[str]:
    by_arm = {dose.arm: dose for dose in doses}
    absent = [arm for arm in (*asked.series, *asked.predict) if arm not in by_arm]
    dark = [arm for arm, dose in by_arm.items() if dose.disk_bytes is None or dose.wire_bytes is None]
    texts = []
    if absent:
        texts.append(f"No launch that counts pulled an image of {', '.join(absent)}.")
    if dark:
        texts.append(
            f"What the pulled layers of {', '.join(dark)} hold is not known: nobody has looked into the image, or its "
            "layers cannot be matched with those that came. These arms are in no line."
        )
    return texts


def _blocks(slopes: Sequence[Slope]) -> list[str]:
    fewest = min((slope.s_per_gb.n for slope in slopes), default=None)
    if fewest is None:
        return [f"No slope: no block has {LEAST_POINTS} launches of the series with times and bytes."]
    return ["One block gives a slope but no interval: the block is the replicate."] if fewest == 1 else []


def _curves(doses: Sequence[Dose], slopes: Sequence[Slope], series: Sequence[str]) -> list[str]:
    texts = []
    for slope in slopes:
        sizes = [
            gb
            for dose in doses
            if dose.arm in series and (gb := getattr(size_of(dose, slope.metric), f"{slope.per}_gb")) is not None
        ]
        rise = abs(slope.s_per_gb.value) * (max(sizes) - min(sizes)) if sizes else 0.0
        bend = slope.bend_s
        is_sure = bend is not None and bend.ci95 is not None and not bend.ci95[0] <= 0 <= bend.ci95[1]
        if bend and is_sure and abs(bend.value) > _LEAST_BEND * rise:
            side = "more" if bend.value > 0 else "less"
            texts.append(
                f"{BY_NAME[slope.metric].label} does not grow in a straight line: the middle of the series lies "
                f"{abs(bend.value):.2g} s off it, so the last gigabyte costs {side} than the first."
            )
    return texts


def _compressible(doses: Sequence[Dose], series: Sequence[str]) -> list[str]:
    known = [(d.disk_bytes, d.wire_bytes) for d in doses if d.arm in series and d.disk_bytes and d.wire_bytes]
    fit = straight([disk for disk, _ in known], [wire for _, wire in known])
    if fit is None or _AS_MUCH[0] <= fit[1] <= _AS_MUCH[1]:
        return []
    return [
        f"A gigabyte of the series on the disk is {fit[1]:.2f} GB on the wire: slopes per gigabyte on the disk hold "
        "for such bytes only."
    ]


def _compresses_otherwise(predictions: Sequence[Prediction], doses: Sequence[Dose], series: Sequence[str]) -> list[str]:
    """What the page marks beside each such prediction, once with its reason."""
    otherwise = [one for one in predictions if COMPRESSION in one.beyond]
    reach = covered([dose for dose in doses if dose.arm in series])
    if not otherwise or reach is None or reach.wire_per_disk_ratio is None:
        return []
    named = {one.arm for one in otherwise}
    arms = [dose.arm for dose in doses if dose.arm in named]
    times = ", ".join(BY_NAME[metric].label.lower() for metric in dict.fromkeys(one.metric for one in otherwise))
    return [
        f"The series' bytes are {reach.wire_per_disk_ratio:.2f} GB on the wire for each on the disk; those of "
        f"{', '.join(arms)} compress otherwise. The series cannot tell apart what compressing, sending and writing "
        f"cost, so what it foretells of them ({times}) does not apply where the table marks it."
    ]


def _push_is_wire(splits: Sequence[Split]) -> list[str]:
    """A price per gigabyte on the disk misleads where most of it is paid for the wire."""
    push = next((split for split in splits if split.metric == "push_s"), None)
    if push is None or push.s_per_wire_gb.ci95 is None or push.s_per_wire_gb.ci95[0] <= push.s_per_disk_gb.value:
        return []
    low, high = push.s_per_wire_gb.ci95
    return [
        f"A push is paid for the wire more than for the disk: over all images at once {push.s_per_wire_gb.value:.2g} s "
        f"for a gigabyte on the wire (95 % interval [{low:.2g}, {high:.2g}] s) and {push.s_per_disk_gb.value:.2g} s "
        "for one on the disk. Its price along the series is that of bytes that compress as those do."
    ]


def _files(doses: Sequence[Dose], asked: Asked, splits: Sequence[Split]) -> list[str]:
    """A line through layers of one file each foretells too little of an image that has thousands."""
    per_files = next((split.s_per_1000_files for split in splits if split.metric == "pull_s"), None)
    if per_files is None or per_files.ci95 is None or per_files.ci95[0] <= 0:
        return []
    files = {dose.arm: dose.files for dose in doses if dose.files is not None}
    most = max((files[arm] for arm in asked.series if arm in files), default=0.0)
    more = [arm for arm in asked.predict if files.get(arm, 0.0) > most]
    if not more:
        return []
    low, high = per_files.ci95
    return [
        f"Files cost time beside their bytes: 1,000 of them add {per_files.value:.2g} s to a pull (95 % interval "
        f"[{low:.2g}, {high:.2g}] s). The series has at most {most:,.0f} in what is pulled, so its line foretells too "
        f"little for {', '.join(more)}."
    ]

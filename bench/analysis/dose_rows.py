"""What each pull brought, in gigabytes (10^9 bytes) on the wire and on the disk, beside how long it took.

The pull names the layers that came with their compressed sizes; what they hold on the disk is known from the image
that was taken apart. An image that is built anew for each launch has new digests but the same layers in order.

A push moves other bytes than the pull after it: into a registry that is empty go all layers, also those that the host
keeps and does not pull.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.image_times import TIMES
from bench.analysis.numbers import Numbers
from bench.anatomy import LayerAnatomy
from bench.container import ImageRecord, LayerTimes, PullRecord
from bench.model import Dose
from bench.record import Launch

GB = 1e9
_ID_LENGTH = 12  # of the short digest by which the engine names a layer

PER: Mapping[str, str] = {
    "build_s": "disk",
    "push_s": "disk",
    "download_s": "wire",
    "extract_s": "disk",
    "pull_s": "disk",
    "start_to_first_token_s": "disk",
    "pull_to_first_token_s": "disk",
}  # metric -> the bytes that it is laid to
PULLS = ("pull_s", "pull_to_first_token_s")  # a download, and the rest of it


@dataclass(frozen=True, slots=True)
class Moved:
    """Gigabytes on the wire and on the disk, and thousands of files. None = not known."""

    wire_gb: float | None = None
    disk_gb: float | None = None
    kilofiles: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether both kinds of bytes are."""
        return self.wire_gb is not None and self.disk_gb is not None

    def gb(self, per: str) -> float | None:
        """Gigabytes of the named kind, "wire" or "disk"."""
        return self.wire_gb if per == "wire" else self.disk_gb


@dataclass(frozen=True, slots=True)
class DoseRow:
    """One launch: what its pull brought, what its push sent, and its times. None = not known."""

    launch: int
    block: int
    arm: str
    wire_gb: float | None
    disk_gb: float | None
    kilofiles: float | None
    layers: int
    times: Mapping[str, float]  # metric -> seconds; without those that are not known
    pushed: Moved = Moved()

    def moved(self, metric: str) -> Moved:
        """What the time of this metric was spent on."""
        return self.pushed if metric == "push_s" else Moved(self.wire_gb, self.disk_gb, self.kilofiles)

    def dose_gb(self, metric: str) -> float | None:
        """Gigabytes of the kind that the metric is laid to."""
        return self.moved(metric).gb(PER[metric])


Blocks = Mapping[int, Sequence[DoseRow]]


def dose_rows(numbers: Numbers) -> tuple[DoseRow, ...]:
    """A row per launch that counts and that brought an image of an arm of the dose."""
    dose = numbers.scenario.dose
    named = arms_of(dose) if dose else ()
    return tuple(row for one in numbers.kept if one.launch.arm in named and (row := _row(numbers, one.launch)))


def arms_of(dose: Dose) -> tuple[str, ...]:
    """Every arm that the dose names, the series first."""
    paired = (arm for pair in dose.pairs for arm in pair)
    return tuple(dict.fromkeys((*dose.series, *dose.predict, *dose.packings, *paired)))


def _row(numbers: Numbers, launch: Launch) -> DoseRow | None:
    if launch.image is None or launch.image.pull is None:
        return None
    contents = numbers.data.contents.get(launch.arm)
    layers = contents.anatomy.layers if contents else ()
    came = matched(launch.image.pull, layers)
    wire = [came_bytes(times, layer) for times, layer in came]
    disk = [layer.disk_bytes if layer else None for _, layer in came]
    files = [layer.files if layer else None for _, layer in came]
    times = {name: s for name, of in TIMES.items() if (s := of(launch)) is not None and math.isfinite(s)}
    return DoseRow(
        launch=launch.index,
        block=launch.block,
        arm=launch.arm,
        wire_gb=_total(wire, GB),
        disk_gb=_total(disk, GB),
        kilofiles=_total(files, 1e3),
        layers=len(came),
        times=times,
        pushed=_pushed(launch.image, layers),
    )


def _pushed(image: ImageRecord, layers: Sequence[LayerAnatomy]) -> Moved:
    """All layers of the image, where the registry had none of them; else nobody knows which ones went."""
    push, pull = image.push, image.pull
    if push is None or pull is None or push.layers_present or push.layers_pushed != len(layers) or not layers:
        return Moved()
    came = {id(layer): times for times, layer in matched(pull, layers) if layer}
    wire = [came_bytes(came[id(layer)], layer) if id(layer) in came else layer.wire_bytes for layer in layers]
    disk, files = [layer.disk_bytes for layer in layers], [layer.files for layer in layers]
    return Moved(_total(wire, GB), _total(disk, GB), _total(files, 1e3))


def matched(pull: PullRecord, layers: Sequence[LayerAnatomy]) -> tuple[tuple[LayerTimes, LayerAnatomy | None], ...]:
    """The layers that came, each with its inside: by digest, then those left over in order, if as many are left."""
    by_id = {name: layer for layer in layers if (name := _short(layer))}
    named = {times.id for times in pull.layers}
    unnamed = [times for times in pull.layers if times.id not in by_id]
    left = [layer for layer in layers if _short(layer) not in named]
    pairs = zip(unnamed, left, strict=True) if len(unnamed) == len(left) else ()
    in_order = {times.id: layer for times, layer in pairs}
    return tuple(
        (times, by_id.get(times.id) or in_order.get(times.id)) for times in pull.layers if not times.already_present
    )


def _short(layer: LayerAnatomy) -> str | None:
    return layer.digest.removeprefix("sha256:")[:_ID_LENGTH] if layer.digest else None


def came_bytes(times: LayerTimes, layer: LayerAnatomy | None) -> int | None:
    """Compressed bytes of a layer: as the pull counted them; of one too small for that, as the registry lists it."""
    return times.bytes if times.bytes is not None else (layer.wire_bytes if layer else None)


def _total(parts: Sequence[int | None], unit: float) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) / unit if len(known) == len(parts) else None


def blocks_of(rows: Sequence[DoseRow], arms: Sequence[str], *metrics: str) -> Blocks:
    """Block -> the arms' launches that have these metrics and whose bytes are known."""
    found: dict[int, list[DoseRow]] = {}
    for row in rows:
        is_known = set(metrics) <= set(row.times) and all(row.moved(metric).is_known for metric in metrics)
        if row.arm in arms and is_known:
            found.setdefault(row.block, []).append(row)
    return found

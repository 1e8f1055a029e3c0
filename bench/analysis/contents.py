"""What images have in common, and what a pull of one brings onto a node that holds another. Pure.

Two layers are the same where they and every layer below them are: so engines store them once, and leave them out of a
pull. (Docker's classic store looks a layer up by its chain; containerd unpacks by it.) A blob that was compressed anew
has another digest, and is pulled again although its files are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.analysis.dose_rows import matched
from bench.analysis.image_times import covered_s
from bench.anatomy import Anatomy, ImageContents, LayerAnatomy
from bench.container import PullRecord

BANDWIDTH_BITS_PER_S = 1e9  # where the scenario names none: a server's usual network
LEAST_UNPACKED_BYTES = 50_000_000  # below it, unpacking is the fixed cost of a layer and no rate
_FIRST_IMAGE_YEAR = 2013  # Docker's first release; what is dated before it carries no date


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """One image beside the others of the run. Compressed bytes count the config with what is in this image alone."""

    wire_bytes: int | None
    disk_bytes: int
    shared_wire_bytes: int | None
    shared_disk_bytes: int
    largest_layer_ratio: float | None  # of the layers' compressed bytes; of the unpacked ones where those are unknown

    @property
    def unique_wire_bytes(self) -> int | None:
        """Compressed bytes that no other arm's image has."""
        known = self.wire_bytes is not None and self.shared_wire_bytes is not None
        return self.wire_bytes - self.shared_wire_bytes if known else None  # type: ignore[operator]

    @property
    def unique_disk_bytes(self) -> int:
        """Bytes on the disk that no other arm's image has."""
        return self.disk_bytes - self.shared_disk_bytes


def chain_ids(layers: Sequence[LayerAnatomy]) -> tuple[str, ...]:
    """Of each layer, with all below it: the chain id of the OCI image specification."""
    chain: list[str] = []
    for layer in layers:
        below = f"{chain[-1]} {layer.diff_id}" if chain else None
        chain.append(f"sha256:{hashlib.sha256(below.encode()).hexdigest()}" if below else layer.diff_id)
    return tuple(chain)


def blob_ids(layers: Sequence[LayerAnatomy]) -> tuple[str, ...]:
    """As `chain_ids`, told apart by digest as well where that is known: what a pull fetches."""
    return tuple(f"{chain} {layer.digest or ''}" for chain, layer in zip(chain_ids(layers), layers, strict=True))


def shared_layers(contents: Mapping[str, ImageContents], arm: str) -> tuple[bool, ...]:
    """Of each layer of an arm's image, whether another arm's image has it too."""
    others = {chain for name, one in contents.items() if name != arm for chain in chain_ids(one.anatomy.layers)}
    return tuple(chain in others for chain in chain_ids(contents[arm].anatomy.layers))


def totals(contents: Mapping[str, ImageContents], arm: str) -> Totals:
    """An arm's image beside all others."""
    anatomy = contents[arm].anatomy
    others = [one.anatomy for name, one in contents.items() if name != arm]
    fetched = pulled_bytes(anatomy, others)
    shared = shared_layers(contents, arm)
    return Totals(
        wire_bytes=anatomy.wire_bytes,
        disk_bytes=anatomy.disk_bytes,
        shared_wire_bytes=anatomy.wire_bytes - fetched if None not in (anatomy.wire_bytes, fetched) else None,  # type: ignore[operator]
        shared_disk_bytes=sum(layer.disk_bytes for layer, is_so in zip(anatomy.layers, shared, strict=True) if is_so),
        largest_layer_ratio=_largest_ratio(anatomy.layers),
    )


def pulled_bytes(image: Anatomy, held: Iterable[Anatomy]) -> int | None:
    """Compressed bytes that come onto a node that holds these images; None where a size is not known.

    An image that no registry has carries no digests: its layers are taken as the ones of the same content.
    """
    there = list(held)
    by_digest = all(layer.digest for one in (image, *there) for layer in one.layers)
    ids_of = blob_ids if by_digest else chain_ids
    known = {layer for one in there for layer in ids_of(one.layers)}
    present = [layer for layer, name in zip(image.layers, ids_of(image.layers), strict=True) if name in known]
    if image.wire_bytes is None or any(layer.wire_bytes is None for layer in present):
        return None
    return max(0, image.wire_bytes - sum(layer.wire_bytes or 0 for layer in present))


def unpacked_bytes_per_s(pulls: Iterable[tuple[PullRecord, Anatomy]]) -> float | None:
    """Bytes on the disk per second of unpacking, over all pulls together; None where too little was unpacked."""
    total_bytes, total_s = 0, 0.0
    for pull, anatomy in pulls:
        timed = [
            (times.extract_start_s, times.extract_end_s, layer.disk_bytes)
            for times, layer in matched(pull, anatomy.layers)
            if layer is not None and times.extract_start_s is not None and times.extract_end_s is not None
        ]
        total_s += covered_s((start, end) for start, end, _ in timed if end > start)
        total_bytes += sum(size for start, end, size in timed if end > start)
    return total_bytes / total_s if total_s > 0 and total_bytes >= LEAST_UNPACKED_BYTES else None


def arch_bytes(anatomy: Anatomy) -> dict[str, int]:
    """Bytes of GPU code for each architecture, over all binaries."""
    total: dict[str, int] = {}
    for binary in anatomy.gpu_binaries:
        for arch, size in binary.arch_bytes.items():
            total[arch] = total.get(arch, 0) + size
    return total


def age_days(created_utc: str | None, at_utc: str | None) -> float | None:
    """Days from one instant to the other; None where either is no date, or one that stands for none."""
    created, then = _instant(created_utc), _instant(at_utc)
    if created is None or then is None or created.year < _FIRST_IMAGE_YEAR or created > then:
        return None
    return (then - created) / timedelta(days=1)


def _largest_ratio(layers: Sequence[LayerAnatomy]) -> float | None:
    wire = [layer.wire_bytes for layer in layers]
    sizes = [layer.tar_bytes for layer in layers] if None in wire else [size for size in wire if size is not None]
    return max(sizes) / sum(sizes) if sum(sizes) else None


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None

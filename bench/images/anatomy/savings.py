"""What could be left out of an image: the ten largest things, none of which counts a byte of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.anatomy import GpuBinary, Package, Saving
from bench.images.anatomy.candidates import Candidate, candidates, words
from bench.images.anatomy.entries import Entry, LayerContents, Ownership, Visible
from bench.images.anatomy.squash import stack
from bench.images.anatomy.where import File, classified, rule_of

MOST = 10
LEAST_BYTES = 1_000_000  # below it nobody changes a Dockerfile
PATHS = 8
LOWEST = (
    "the lowest layer: only another base leaves that out, or a last stage FROM scratch with COPY --from of what stays"
)


def savings(
    visible: Visible,
    ownership: Ownership,
    _packages: Sequence[Package],
    gpu_binaries: Sequence[GpuBinary],
    layers: Sequence[LayerContents],
    *,
    needed_arch: str | None = None,
) -> tuple[Saving, ...]:
    """The largest first. Bytes of a file that one thing takes are not there for the next."""
    files = classified(visible, ownership)
    chosen = list(_hidden(layers))
    waiting, taken = list(candidates(files, visible, ownership, gpu_binaries, needed_arch)), dict[str, int]()
    while waiting and len(chosen) < MOST + 1:
        waiting = [left for one in waiting if (left := _without(one, taken, visible.files)) is not None]
        if waiting:
            best = max(waiting, key=lambda one: sum(one.bytes.values()))
            chosen.append(_saving(best, visible.files))
            for path, size in best.bytes.items():
                taken[path] = taken.get(path, 0) + size
            waiting.remove(best)
    return tuple(sorted(chosen, key=lambda one: (-one.disk_bytes, one.what))[:MOST])


def _without(one: Candidate, taken: Mapping[str, int], entries: Mapping[str, Entry]) -> Candidate | None:
    """Symbols and GPU code are parts of a file; of a file that is taken whole, none is left."""
    if taken.keys().isdisjoint(one.bytes):
        left = dict(one.bytes)
    else:
        most = ((path, entries[path].disk_bytes - taken.get(path, 0), size) for path, size in one.bytes.items())
        left = {path: min(size, rest) for path, rest, size in most if rest > 0}
    return replace(one, bytes=left) if sum(left.values()) >= LEAST_BYTES else None


def _saving(one: Candidate, entries: Mapping[str, Entry]) -> Saving:
    largest = sorted(one.bytes, key=lambda path: (-one.bytes[path], path))
    total, lowest = sum(one.bytes.values()), sum(size for path, size in one.bytes.items() if not entries[path].layer)
    return Saving(
        what=f"{one.what}: {words([path.rpartition('/')[2] for path in largest])}" if one.names_files else one.what,
        group=one.group,
        disk_bytes=total,
        wire_bytes=_wire((entries[path], size) for path, size in one.bytes.items()),
        how=one.how if lowest * 2 < total else f"{one.how}; {lowest / total:.0%} of it lies in {LOWEST}",
        caution=one.caution,
        paths=tuple(largest[:PATHS]),
    )


def _wire(parts: Iterable[tuple[Entry, int]]) -> int | None:
    """A part of a file takes that part of its share of the compressed layer."""
    total = 0.0
    for entry, size in parts:
        if entry.wire_bytes is None:
            return None
        total += entry.wire_bytes * size / entry.disk_bytes
    return round(total)


def _hidden(layers: Sequence[LayerContents]) -> Iterable[Saving]:
    """Files that a later layer deletes or writes again are carried, and seen by nobody."""
    hidden = [(entry, hider) for entry, hider in stack(layers).hidden if entry.disk_bytes]
    if sum(entry.disk_bytes for entry, _ in hidden) < LEAST_BYTES:
        return
    largest = sorted(hidden, key=lambda pair: (-pair[0].disk_bytes, pair[0].path))
    made = sorted({entry.layer + 1 for entry, _ in largest[:PATHS]})
    hiding = sorted({hider.layer + 1 for _, hider in largest[:PATHS]})
    yield Saving(
        what=f"files of layer {_numbers(made)} that layer {_numbers(hiding)} deletes or writes again",
        group=rule_of(File(largest[0][0].path, largest[0][0].disk_bytes)).group,
        disk_bytes=sum(entry.disk_bytes for entry, _ in hidden),
        wire_bytes=_wire((entry, entry.disk_bytes) for entry, _ in hidden),
        how="delete them in the RUN that writes them, or write them in an earlier stage and COPY --from it what stays",
        caution=None if 1 not in made else "what the base image brings, only another base leaves out",
        paths=tuple(dict.fromkeys(entry.path for entry, _ in largest[:PATHS])),
    )


def _numbers(layers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in layers)

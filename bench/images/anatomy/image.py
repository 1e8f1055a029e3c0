"""An image taken apart: its layers read once, laid over each other, and asked what they hold. Kept by content."""

from __future__ import annotations

import time
from dataclasses import replace

from bench.anatomy import Anatomy, GpuBinary, Inventory, LayerAnatomy
from bench.events import Progress, silent
from bench.images.anatomy import packages as of_packages
from bench.images.anatomy.binary import gpu_code, scanner_for
from bench.images.anatomy.entries import EntryKind, Interest, LayerContents, Ownership, Visible
from bench.images.anatomy.inventory import inventory
from bench.images.anatomy.kept import keep, kept_at, known
from bench.images.anatomy.place import identify
from bench.images.anatomy.savings import savings
from bench.images.anatomy.sources import PLATFORM, ReadImage, engine_layers, registry_layers
from bench.images.anatomy.squash import Stack, efficiency_of, stack
from bench.images.anatomy.where import groups
from bench.secrets import Redactor

GPU_BINARIES = 200  # the largest
DOUBTS = 100


def take_apart(
    reference: str,
    *,
    where: str = "auto",
    progress: Progress = silent,
    platform: str = PLATFORM,
    needed_arch: str | None = None,
) -> tuple[Anatomy, Inventory]:
    """Read the image from a registry, or from this host's engine, unless that was done before.

    `where`: "registry", "engine", or "auto": the registry, unless only the engine has an image of that name.
    `needed_arch` ("sm_90") is the GPU for which code of other architectures could be left out.
    """
    place, identity = identify(reference, where=where, platform=platform)
    path = kept_at(place, identity, needed_arch)
    before = known(path)
    if before is not None:
        return replace(before[0], reference=reference), before[1]
    started_s = time.monotonic()
    interest = Interest(keep=of_packages.keep, scanner=scanner_for)
    if place == "registry":
        read = registry_layers(reference, interest=interest, platform=platform, progress=progress)
    else:
        read = engine_layers(reference, interest=interest, progress=progress)
    anatomy, found = _taken_apart(read, needed_arch)
    anatomy = replace(anatomy, wall_s=time.monotonic() - started_s)
    keep(path, anatomy, found)
    return anatomy, found


def _taken_apart(read: ReadImage, needed_arch: str | None) -> tuple[Anatomy, Inventory]:
    stacked = stack(read.layers)
    visible = stacked.visible
    ownership = of_packages.owners(visible)
    packages = of_packages.packages(visible, ownership)
    gpu_binaries = _gpu_binaries(visible, ownership)
    ratio, wasted_bytes, wasted = efficiency_of(read.layers, stacked)
    found = inventory(
        visible,
        ownership,
        packages,
        labels=read.labels,
        env=read.env,
        user=read.user,
        created_utc=read.created_utc,
        history=read.history,
        platform=read.platform,
    )
    layers = _layers(read, stacked)
    anatomy = Anatomy(
        reference=read.reference,
        digest=read.digest,
        config_digest=read.config_digest,
        platform=read.platform,
        layers=layers,
        disk_bytes=sum(layer.disk_bytes for layer in layers),
        wire_bytes=read.wire_bytes,
        wire_is_estimate=read.wire_is_estimate,
        visible_bytes=sum(entry.disk_bytes for entry in visible.files.values()),
        visible_files=sum(entry.kind is EntryKind.FILE for entry in visible.files.values()),
        efficiency_ratio=ratio,
        wasted_bytes=wasted_bytes,
        wasted=wasted,
        groups=groups(visible, ownership, packages),
        gpu_binaries=gpu_binaries[:GPU_BINARIES],
        savings=tuple(savings(visible, ownership, packages, gpu_binaries, read.layers, needed_arch=needed_arch)),
        source=read.source,
        doubts=_doubts(read),
    )
    return anatomy, found


def _layers(read: ReadImage, stacked: Stack) -> tuple[LayerAnatomy, ...]:
    removed = [0] * len(read.layers)
    for entry, hider in stacked.hidden:
        removed[hider.layer] += entry.disk_bytes
    clean = Redactor.knowing(read.env).text  # instructions may hold what should not have been built in
    steps = [(clean(by), when) for by, when, is_empty in read.history if not is_empty]
    if len(steps) != len(read.layers):  # a squashed or a hand-made image
        steps = [("", None)] * len(read.layers)
    rows = zip(read.layers, read.blobs, steps, removed, strict=True)
    return tuple(_layer(contents, blob, step, gone) for contents, blob, step, gone in rows)


def _layer(
    contents: LayerContents, blob: tuple[str | None, int | None], step: tuple[str, str | None], gone: int
) -> LayerAnatomy:
    files = [entry for entry in contents.entries if entry.kind is EntryKind.FILE]
    return LayerAnatomy(
        diff_id=contents.diff_id,
        digest=blob[0],
        created_by=step[0],
        created_utc=step[1],
        wire_bytes=blob[1],
        tar_bytes=contents.tar_bytes,
        disk_bytes=sum(entry.disk_bytes for entry in files),
        files=len(files),
        removed_bytes=gone,
    )


def _gpu_binaries(visible: Visible, ownership: Ownership) -> tuple[GpuBinary, ...]:
    """The largest first."""
    binaries = []
    for path, found in visible.scanned.items():
        entry, arch_bytes = visible.files.get(path), gpu_code(found)
        if entry is None or not arch_bytes:
            continue
        index = ownership.owner.get(path)
        owner = " ".join(ownership.packages[index][1:]) if index is not None else None
        binaries.append(GpuBinary(path=path, disk_bytes=entry.disk_bytes, package=owner, arch_bytes=arch_bytes))
    return tuple(sorted(binaries, key=lambda binary: (-binary.disk_bytes, binary.path)))


def _doubts(read: ReadImage) -> tuple[str, ...]:
    told = [f"layer {layer.index + 1}: {doubt}" for layer in read.layers for doubt in layer.doubts]
    return (*read.doubts, *told)[:DOUBTS]

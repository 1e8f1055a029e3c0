"""The tables of `nimbench image inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bench.anatomy import Anatomy, Inventory
from bench.cli.tables import show_table
from bench.report.format import quantity

if TYPE_CHECKING:
    from bench.images.anatomy.overview import Overview

ROWS = 20
WIDTH = 72
SHORT = len("sha256:") + 12
UNKNOWN = "unknown"


def show_facts(facts: Overview) -> None:
    """What is known without reading a layer."""
    click.echo(_plain(f"{facts.reference}  {facts.platform}"))
    click.echo(f"  digest   {facts.digest or UNKNOWN}")
    click.echo(_plain(f"  created  {facts.created_utc or UNKNOWN}   user {facts.user or 'root'}"))
    click.echo(f"  wire     {_size(facts.wire_bytes)} in {len(facts.layers)} layer{'s' * (len(facts.layers) != 1)}")
    click.echo(f"  asked    {facts.source} ({facts.wall_s:.2f} s)\n")
    rows = [(name[:SHORT], _size(size), _step(by)) for name, size, by in facts.layers]
    _table(("layer", "on the wire", "made by"), rows)
    if facts.wire_bytes is None:
        click.echo("\nAn engine keeps no compressed layers: --deep reads them and estimates the bytes on the wire.")


def show_anatomy(anatomy: Anatomy, inventory: Inventory) -> None:
    """What the layers hold."""
    _show_layers(anatomy)
    _show_groups(anatomy)
    _show_inventory(inventory)
    _show_gpu(anatomy)
    _show_waste(anatomy)
    _show_savings(anatomy)
    for doubt in anatomy.doubts[:ROWS]:
        click.echo(f"not sure: {_plain(doubt)}")


def _show_layers(anatomy: Anatomy) -> None:
    about = "about " if anatomy.wire_is_estimate else ""
    took = f"; read in {anatomy.wall_s:.1f} s" if anatomy.wall_s is not None else ""
    click.echo(
        f"\nOn disk {_size(anatomy.disk_bytes)} in all layers, {_size(anatomy.visible_bytes)} of it in "
        f"{anatomy.visible_files} files that a container sees; on the wire {about}{_size(anatomy.wire_bytes)}{took}.\n"
    )
    rows = [
        (
            str(number),
            layer.diff_id[:SHORT],
            about + _size(layer.wire_bytes),
            _size(layer.disk_bytes),
            str(layer.files),
            _size(layer.removed_bytes) if layer.removed_bytes else "",
            _step(layer.created_by),
        )
        for number, layer in enumerate(anatomy.layers, 1)
    ]
    _table(("", "diff id", "on the wire", "on disk", "files", "hides below", "made by"), rows)


def _show_groups(anatomy: Anatomy) -> None:
    click.echo("\nWhere the bytes are")
    total = anatomy.visible_bytes or 1
    ranked = sorted(anatomy.groups.items(), key=lambda item: -item[1])
    _table(("what", "on disk", "share"), [(group.value, _size(size), f"{size / total:.1%}") for group, size in ranked])


def _show_inventory(inventory: Inventory) -> None:
    names = ("os", "python", "engine", "torch", "cuda", "cudnn", "nccl", "tensorrt", "driver_required", "pip_check")
    click.echo("\nWhat it is made of")
    rows = [(name, str(value)) for name in names if (value := getattr(inventory, name)) is not None]
    rows.append(("in no package", f"{inventory.unowned_files} files, {_size(inventory.unowned_bytes)}"))
    _table(("", ""), rows)
    click.echo(f"\nThe largest of {len(inventory.packages)} packages")
    _table(
        ("", "package", "version", "on disk", "on the wire", "files"),
        [
            (one.manager, one.name, one.version, _size(one.disk_bytes), _size(one.wire_bytes), str(one.files))
            for one in inventory.packages[:ROWS]
        ],
    )


def _show_gpu(anatomy: Anatomy) -> None:
    if not anatomy.gpu_binaries:
        return
    click.echo("\nFiles with code for GPUs")
    rows = [
        (one.path, _size(one.disk_bytes), " ".join(f"{name}:{_size(size)}" for name, size in one.arch_bytes.items()))
        for one in anatomy.gpu_binaries[:ROWS]
    ]
    _table(("file", "on disk", "architectures"), rows)


def _show_waste(anatomy: Anatomy) -> None:
    ratio = "unknown" if anatomy.efficiency_ratio is None else f"{anatomy.efficiency_ratio:.2%}"
    click.echo(
        f"\nEfficiency as dive counts it {ratio}; {_size(anatomy.wasted_bytes)} lie below, seen by no container."
    )
    if anatomy.wasted:
        rows = [(one.path, _size(one.wasted_bytes), str(one.copies)) for one in anatomy.wasted[:ROWS]]
        _table(("written again or deleted", "hidden", "layers"), rows)


def _show_savings(anatomy: Anatomy) -> None:
    if not anatomy.savings:
        return
    click.echo("\nWhat could be left out")
    rows = [
        (f"{number}", one.what, _size(one.disk_bytes), _size(one.wire_bytes))
        for number, one in enumerate(anatomy.savings, 1)
    ]
    _table(("", "", "on disk", "on the wire"), rows)
    for number, one in enumerate(anatomy.savings, 1):
        click.echo(_plain(f"{number:>2}. {one.how}"))
        if one.caution:
            click.echo(_plain(f"    But: {one.caution}"))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    show_table(headings, [[_plain(cell) for cell in row] for row in rows])


def _plain(text: str) -> str:
    """Names out of an image may hold what commands a terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _size(size_bytes: int | None) -> str:
    return UNKNOWN if size_bytes is None else quantity(size_bytes, "bytes")


def _step(created_by: str) -> str:
    text = " ".join(created_by.split()).removeprefix("/bin/sh -c #(nop) ")
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"

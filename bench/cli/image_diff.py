"""`nimbench image diff`: how two images differ in size, in what they share, and in what they are made of."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.analysis.contents import chain_ids, pulled_bytes
from bench.analysis.inventory_diff import FACTS, InventoryDiff, PackageDifference, diff
from bench.anatomy import Anatomy, Inventory
from bench.cli.choices import require_modules
from bench.cli.progress import PlainLines
from bench.cli.tables import show_table
from bench.errors import InputError
from bench.report.format import quantity

ROWS = 30  # of one table; --json has them all
ABSENT = "–"
FILE_STARTS = ("/", "./", "../", "~")  # no name of an image begins so


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option(
    "--where",
    type=click.Choice(["auto", "registry", "engine"]),
    default="auto",
    show_default=True,
    help="Who is asked for the images.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(a: str, b: str, where: str, as_json: bool) -> None:
    """Show how image B differs from image A, and what a node that holds A still pulls for B. Starts nothing.

    Either may be images/<arm>.json of a run folder: a name that ends in .json or begins with / ./ or ../ is a file.
    """
    one, other = _contents(a, where), _contents(b, where)
    found = diff(one[1], other[1])
    if as_json:
        document = {"a": _size(one[0]), "b": _size(other[0]), **_shared(one[0], other[0]), **asdict(found)}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    _print(one[0], other[0], found)


def _contents(name: str, where: str) -> tuple[Anatomy, Inventory]:
    """A file of a run folder needs no Docker and no network."""
    if name.endswith(".json") or name.startswith(FILE_STARTS):
        from bench.store.contents import parse_contents

        kept = parse_contents(_text(name), where=name)
        return kept.anatomy, kept.inventory
    require_modules("httpx", "docker")
    from bench.images.anatomy.image import take_apart

    return take_apart(name, where=where, progress=PlainLines(sys.stderr))


def _text(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}",
            where=name,
            expected="images/<arm>.json of a run folder, or the name of an image",
            repair="check the path; `nimbench list` shows the run folders",
        ) from error


def _size(anatomy: Anatomy) -> dict[str, Any]:
    keys = ("reference", "digest", "config_digest", "platform", "wire_bytes", "wire_is_estimate", "disk_bytes")
    return {key: getattr(anatomy, key) for key in keys} | {"layers": len(anatomy.layers)}


def _shared(a: Anatomy, b: Anatomy) -> dict[str, int | None]:
    """Layers of B that lie in A on the same layers: only there does a host that holds A use them again."""
    in_a = set(chain_ids(a.layers))
    shared = [layer for layer, chain in zip(b.layers, chain_ids(b.layers), strict=True) if chain in in_a]
    return {
        "shared_layers": len(shared),
        "shared_disk_bytes": sum(layer.disk_bytes for layer in shared),
        "remaining_wire_bytes": 0 if a.digest is not None and a.digest == b.digest else pulled_bytes(b, [a]),
    }


def _print(a: Anatomy, b: Anatomy, found: InventoryDiff) -> None:
    rows = [
        ("on the wire", quantity(a.wire_bytes, "bytes"), quantity(b.wire_bytes, "bytes")),
        ("on disk", quantity(a.disk_bytes, "bytes"), quantity(b.disk_bytes, "bytes")),
        ("layers", str(len(a.layers)), str(len(b.layers))),
        *((FACTS[row.fact], _told(row.fact, row.a), _told(row.fact, row.b)) for row in found.facts),
    ]
    show_table(("", a.reference, b.reference), rows)
    shared = _shared(a, b)
    size = quantity(float(shared["shared_disk_bytes"] or 0), "bytes")
    click.echo(f"\nShared: {shared['shared_layers']} layers, {size} on disk (the same layers on the same ones below).")
    click.echo(f"A node that holds A still pulls for B: {_remaining(b, shared['remaining_wire_bytes'])}.")
    click.echo(f"Packages in both in the same version: {found.same_packages}.")
    _table("In another version", found.versions)
    _table(f"Only in {a.reference}", found.only_a)
    _table(f"Only in {b.reference}", found.only_b)


def _remaining(b: Anatomy, remaining_bytes: int | None) -> str:
    if remaining_bytes is None:
        return "unknown, since no registry has told the compressed sizes"
    about = "about " if b.wire_is_estimate else ""
    whole = f" of {quantity(float(b.wire_bytes), 'bytes')}" if b.wire_bytes is not None else ""
    return f"{about}{quantity(float(remaining_bytes), 'bytes')}{whole} on the wire"


def _told(fact: str, value: str | int | None) -> str:
    if value is None:
        return ABSENT
    if fact == "user":
        return str(value) or "root"
    return quantity(float(value), "bytes") if fact.endswith("_bytes") else str(value)


def _table(title: str, rows: Sequence[PackageDifference]) -> None:
    if not rows:
        return
    click.echo(f"\n{title}: {len(rows)}")
    show_table(
        ("", "package", "A", "B", "A on disk", "B on disk"),
        [
            (
                row.manager,
                row.name,
                row.a_version or ABSENT,
                row.b_version or ABSENT,
                quantity(row.a_disk_bytes, "bytes") if row.a_version else ABSENT,
                quantity(row.b_disk_bytes, "bytes") if row.b_version else ABSENT,
            )
            for row in rows[:ROWS]
        ],
    )
    if len(rows) > ROWS:
        click.echo(f"and {len(rows) - ROWS} more; --json has them all")

"""`nimbench image inspect`: size, layers, labels of an image that need not be on this host; with --deep its inside."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.anatomy import Anatomy, Inventory
from bench.cli.choices import require_modules
from bench.cli.image_tables import show_anatomy, show_facts
from bench.cli.progress import PlainLines
from bench.errors import InputError

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?")
_GPU = re.compile(r"sm_\d{2,3}[af]?")


@click.command("inspect")
@click.argument("reference")
@click.option("--deep", is_flag=True, help="Read every layer: files, packages, GPU code, what could be left out.")
@click.option(
    "--where",
    type=click.Choice(["auto", "registry", "engine"]),
    default="auto",
    show_default=True,
    help="Who is asked: the registry, unless only this host's engine has the image.",
)
@click.option("--platform", default="linux/amd64", show_default=True, help="Which image of several.")
@click.option("--gpu", metavar="sm_NN", help="With --deep: the GPU for which other architectures' code could go.")
@click.option(
    "--sbom", type=click.Path(dir_okay=False, path_type=Path), help="With --deep: write CycloneDX JSON there."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    reference: str, deep: bool, where: str, platform: str, gpu: str | None, sbom: Path | None, as_json: bool
) -> None:
    """Show what is in the image REFERENCE. Pulls nothing and starts nothing."""
    if not _PLATFORM.fullmatch(platform):
        raise InputError("no platform of an image", where="--platform", got=platform,
                         expected="os/architecture or os/architecture/variant in small letters",
                         repair="--platform linux/amd64, linux/arm64 or linux/arm/v7")  # fmt: skip
    if (sbom or gpu) and not deep:
        raise InputError("--sbom and --gpu need --deep", where="nimbench image inspect", repair="add --deep")
    if gpu and not _GPU.fullmatch(gpu):
        raise InputError("no architecture of a GPU", where="--gpu", expected="sm_90, sm_100a and the like", got=gpu,
                         repair="sm_ and the compute capability without its point")  # fmt: skip
    if sbom and not sbom.parent.is_dir():
        raise _not_written(sbom, "there is no such folder")
    require_modules("httpx", "docker")
    from bench.images.anatomy.overview import look

    facts = look(reference, where=where, platform=platform)
    found = _taken_apart(reference, where, platform, gpu) if deep else None
    if found is not None and sbom is not None:
        _write_sbom(sbom, *found)
    if as_json:
        click.echo(json.dumps(_document(facts.document(), found), indent=1, ensure_ascii=False))
        return
    show_facts(facts)
    if found is not None:
        show_anatomy(*found)
    if sbom is not None:
        click.echo(f"\nWritten: {sbom}")


def _taken_apart(reference: str, where: str, platform: str, gpu: str | None) -> tuple[Anatomy, Inventory]:
    from bench.images.anatomy.image import take_apart

    return take_apart(reference, where=where, platform=platform, needed_arch=gpu, progress=PlainLines(sys.stderr))


def _write_sbom(path: Path, anatomy: Anatomy, inventory: Inventory) -> None:
    from bench.anatomy import ImageContents
    from bench.images.anatomy.sbom import write_sbom

    try:
        write_sbom(path, ImageContents(anatomy=anatomy, inventory=inventory))
    except OSError as error:
        raise _not_written(path, error.strerror or str(error)) from error


def _not_written(path: Path, why: str) -> InputError:
    return InputError(f"cannot be written: {why}", where=str(path), repair="give another file: --sbom FILE")


def _document(document: dict[str, Any], found: tuple[Anatomy, Inventory] | None) -> dict[str, Any]:
    """One form for programs; with --deep its unknown sizes are known, and two keys more are there."""
    if found is not None:
        anatomy, inventory = found
        document |= {"wire_bytes": anatomy.wire_bytes, "disk_bytes": anatomy.disk_bytes}
        document["layers"] = [
            {"digest": layer.digest or layer.diff_id, "wire_bytes": layer.wire_bytes, "created_by": layer.created_by}
            for layer in anatomy.layers
        ]
        document |= {"anatomy": asdict(anatomy), "inventory": asdict(inventory)}
    return document

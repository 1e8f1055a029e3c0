"""Looks once into every arm's image, and at the files it was built from; what was found goes to the run folder."""

from __future__ import annotations

from collections.abc import Mapping

from bench.anatomy import ImageContents
from bench.container import ImageRecord
from bench.errors import ArmError, InputError, LimitError, PrerequisiteError
from bench.events import Event, Progress
from bench.images.anatomy.image import take_apart
from bench.images.anatomy.sbom import write_sbom
from bench.images.pins.files import lint_build
from bench.images.reference import is_loopback, parse_reference
from bench.model import Arm
from bench.record import Finding
from bench.store.contents import contents_path
from bench.store.writer import RunWriter
from bench.vocabulary import Severity


def look_inside(arm: Arm, record: ImageRecord, writer: RunWriter, progress: Progress) -> None:
    """Write images/<arm>.json and the bill of materials; an image that cannot be read is a finding and ends no run."""
    if contents_path(writer.folder, arm.name).exists():
        return
    progress(Event("run", f"looking into the image of {arm.name}"))
    try:
        where, name = _place(record)
        anatomy, inventory = take_apart(
            name, where=where, progress=progress, needed_arch=needed_arch(writer.run.host.get("gpus"))
        )
        contents = ImageContents(
            anatomy=anatomy, inventory=inventory, lint=lint_build(arm.build) if arm.build else None
        )
    except (ArmError, InputError, PrerequisiteError, LimitError) as error:
        told = str(error).splitlines()[0]
        writer.add_finding(
            Finding(
                id="image-not-read",
                severity=Severity.WARN,
                arm=arm.name,
                text=f"What is in the image of {arm.name} is not known: {told}",
                next=f"nimbench image inspect --deep {record.facts.reference}",
            )
        )
        return
    writer.add_contents(arm.name, contents)
    write_sbom(contents_path(writer.folder, arm.name).with_suffix(".cdx.json"), contents)


def _place(record: ImageRecord) -> tuple[str, str]:
    """A registry on this host gives the compressed layers at no cost; anything farther would be a second download."""
    reference = record.facts.reference
    if record.push is not None and is_loopback(parse_reference(reference).host):
        return "registry", reference
    return "engine", record.facts.id


def needed_arch(gpus: object) -> str | None:
    """The architecture of this host's GPUs as NVIDIA's compiler names it, "sm_90"; None where they differ."""
    listed = [one for one in gpus if isinstance(one, Mapping)] if isinstance(gpus, list | tuple) else []
    found = {str(one["compute_capability"]) for one in listed if one.get("compute_capability")}
    return f"sm_{found.pop().replace('.', '')}" if len(found) == 1 else None

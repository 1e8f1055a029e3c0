"""The bill of materials of an image as CycloneDX JSON: every package with its package URL, for scanners to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from bench import __version__
from bench.anatomy import Anatomy, ImageContents, Inventory, Package
from bench.store.durable import replace_text

SPECIFICATION = SchemaVersion.V1_6  # the edition that became the standard ECMA-424
OF_SYSTEM = ("deb", "apk", "rpm")  # a package URL of these names the distribution


def write_sbom(path: Path, contents: ImageContents) -> None:
    """The whole file, or none."""
    replace_text(path, cyclonedx_json(contents))


def cyclonedx_json(contents: ImageContents) -> str:
    """The image as the root, its operating system and its packages as what it consists of."""
    image = _image(contents.anatomy)
    parts = [*_operating_system(contents.inventory), *_packages(contents.inventory)]
    suite = Component(name="nimbench", version=__version__, type=ComponentType.APPLICATION)
    bom = Bom(components=parts, metadata=BomMetaData(component=image, tools=ToolRepository(components=[suite])))
    bom.register_dependency(image, parts)
    return make_outputter(bom, OutputFormat.JSON, SPECIFICATION).output_as_string(indent=1)


def _image(anatomy: Anatomy) -> Component:
    """By the digest of its manifest; one that no registry has is named by its id and has no package URL."""
    return Component(
        type=ComponentType.CONTAINER,
        name=anatomy.reference,
        version=anatomy.digest or anatomy.config_digest,
        purl=_image_url(anatomy),
        bom_ref="image",
        properties=_properties(
            {
                "platform": anatomy.platform,
                "config-digest": anatomy.config_digest,
                "disk-bytes": anatomy.disk_bytes,
                "wire-bytes": anatomy.wire_bytes,
            }
        ),
    )


def _image_url(anatomy: Anatomy) -> PackageURL | None:
    """pkg:oci/name@digest; where it lies is a qualifier, so a copy in another registry is the same image."""
    if anatomy.digest is None:
        return None
    name = anatomy.reference.partition("@")[0]
    folder, _, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    place = f"{folder}/{last}".lstrip("/")
    said = {"arch": anatomy.platform.partition("/")[2], "repository_url": place, "tag": tag}
    return PackageURL("oci", None, last.lower(), anatomy.digest, {key: text for key, text in said.items() if text})


def _operating_system(inventory: Inventory) -> Iterator[Component]:
    if inventory.os is not None:
        name, _, version = (inventory.os_id or inventory.os).partition("-")
        yield Component(
            type=ComponentType.OPERATING_SYSTEM,
            name=name,
            version=version or None,
            description=inventory.os,
            bom_ref="os",
        )


def _packages(inventory: Inventory) -> Iterator[Component]:
    """Two environments may hold the same release: their references are counted."""
    seen: Counter[str] = Counter()
    for package in inventory.packages:
        url = _package_url(package, inventory.os_id)
        seen[str(url)] += 1
        times = seen[str(url)]
        yield Component(
            type=ComponentType.LIBRARY,
            name=package.name,
            version=package.version,
            purl=url,
            bom_ref=str(url) if times == 1 else f"{url}#{times}",
            properties=_properties(
                {"disk-bytes": package.disk_bytes, "wire-bytes": package.wire_bytes, "files": package.files}
            ),
        )


def _package_url(package: Package, os_id: str | None) -> PackageURL:
    """pkg:deb/debian/libc6@2.36-9?distro=debian-12; a wheel built from a repository says which commit."""
    said = {}
    if package.manager in OF_SYSTEM and os_id:
        said["distro"] = os_id
    if package.source and "+" in package.source.partition(":")[0]:
        said["vcs_url"] = package.source
    elif package.source:
        said["download_url"] = package.source
    namespace = os_id.partition("-")[0] if package.manager in OF_SYSTEM and os_id else None
    return PackageURL(package.manager, namespace, package.name, package.version, said)


def _properties(said: dict[str, str | int | None]) -> Iterable[Property]:
    return [Property(name=f"nimbench:{name}", value=str(value)) for name, value in said.items() if value is not None]

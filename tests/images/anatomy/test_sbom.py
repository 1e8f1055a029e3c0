"""The bill of materials is valid by the library's own schema; package URLs are what scanners expect."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.anatomy import Anatomy, ImageContents, Inventory, Package
from bench.images.anatomy.sbom import cyclonedx_json, write_sbom

PACKAGES = (
    Package(manager="pypi", name="Jinja2", version="3.1.6", disk_bytes=5, wire_bytes=2, files=1),
    Package(manager="pypi", name="Jinja2", version="3.1.6", disk_bytes=6),
    Package(manager="pypi", name="own", version="1", source=f"git+https://example.com/a.git@{'a' * 40}"),
    Package(manager="deb", name="libc6", version="2.36-9+deb12u14"),
    Package(manager="conda", name="absl-py", version="0.4.1"),
)


def contents(digest: str | None = "sha256:" + "a" * 64) -> ImageContents:
    anatomy = Anatomy(
        reference="127.0.0.1:5000/nimbench/vllm:built",
        digest=digest,
        config_digest="sha256:" + "b" * 64,
        platform="linux/amd64",
        layers=(),
        disk_bytes=10,
        wire_bytes=4,
    )
    inventory = Inventory(os="Debian GNU/Linux 12 (bookworm)", os_id="debian-12", packages=PACKAGES)
    return ImageContents(anatomy=anatomy, inventory=inventory)


def test_package_urls_name_manager_distribution_and_commit() -> None:
    parts = json.loads(cyclonedx_json(contents()))["components"]
    assert {part["purl"] for part in parts if "purl" in part} == {
        "pkg:pypi/jinja2@3.1.6",
        f"pkg:pypi/own@1?vcs_url=git%2Bhttps://example.com/a.git%40{'a' * 40}",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?distro=debian-12",
        "pkg:conda/absl-py@0.4.1",
    }


def test_two_copies_of_a_package_are_two_parts_and_the_image_depends_on_all() -> None:
    document = json.loads(cyclonedx_json(contents()))
    references = [part["bom-ref"] for part in document["components"]]
    assert len(references) == len(set(references)) == len(PACKAGES) + 1  # the operating system is one too
    (image,) = [one for one in document["dependencies"] if one["ref"] == "image"]
    assert set(image["dependsOn"]) == set(references)


def test_an_image_that_no_registry_has_is_named_by_its_id() -> None:
    image = json.loads(cyclonedx_json(contents(digest=None)))["metadata"]["component"]
    assert image["version"] == "sha256:" + "b" * 64 and "purl" not in image


@pytest.mark.slow
def test_the_library_s_own_validator_finds_nothing(tmp_path: Path) -> None:
    """Its schemas are in our library; what reads them is an extra, installed for this test alone."""
    extra = tmp_path / "extra"
    got = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            extra,
            "cyclonedx-python-lib[json-validation]==11.12.0",
        ],
        capture_output=True,
        text=True,
    )
    if got.returncode:
        pytest.skip(f"the validator cannot be had here: {got.stderr.strip().splitlines()[-1:]}")
    write_sbom(tmp_path / "image.cdx.json", contents())
    script = (
        "import pathlib, sys\n"
        "from cyclonedx.schema import SchemaVersion\n"
        "from cyclonedx.validation.json import JsonStrictValidator\n"
        "text = pathlib.Path(sys.argv[1]).read_text()\n"
        "print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))\n"
        "print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('container', 'crate')) is None)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "image.cdx.json"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(extra)},
    )
    assert said.stdout.split() == ["None", "False"], said.stderr[-2000:]

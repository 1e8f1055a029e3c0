"""scenario.lock: the digest behind every tag that a scenario names, with its date and source."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from ruamel.yaml import YAML

from bench.container import Build
from bench.errors import InputError
from bench.model import Arm, Scenario
from bench.scenario.container_shape import Flag, Shape, Words
from bench.scenario.problems import dotted, shown
from bench.scenario.source import read_document, read_text, shown_path

LOCK_SCHEMA = 1
BASE_IMAGE = "BASE_IMAGE"  # the build argument that stands for a Dockerfile's base
_DEFAULT_BASE = re.compile(rf"^[ \t]*(?i:ARG)[ \t]+{BASE_IMAGE}=[\"']?([^\s\"']+)", re.MULTILINE)
_PINNED = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")
_LOCAL_ID = re.compile(r"sha256:[0-9a-f]{64}")  # an image of this host, which nothing fetches

Digest = Annotated[str, Field(strict=True, pattern=r"^sha256:[0-9a-f]{64}$")]


class LockedImage(Shape):
    """What a registry said of one reference, and when."""

    digest: Digest = Field(description="of what the tag named: an index of platforms, or one manifest")
    manifest_digest: Digest = Field(description="of the lock's platform")
    wire_bytes: Annotated[int, Field(strict=True, ge=0)] = Field(description="compressed layers and config")
    entrypoint: list[Annotated[str, Field(strict=True)]] = Field(default_factory=list)
    created_utc: Words | None = Field(default=None, description="as the image says itself")
    source: Words = Field(description="the address that was asked")
    anonymous: Flag = Field(description="whether the registry gave it without a login")
    pinned_utc: Words = Field(description="when it was asked")
    used_by: list[Words] = Field(default_factory=list, description="keys of the scenario that name it")


class Lock(Shape):
    """The whole file."""

    lock_schema: Annotated[int, Field(strict=True, ge=1, le=LOCK_SCHEMA)]
    platform: Words
    images: dict[Words, LockedImage]


def references(scenario: Scenario) -> list[tuple[str, str]]:
    """(key, reference) of every image that a run would fetch; what it builds and pushes itself is not among them."""
    found = []
    for arm in scenario.arms:
        if arm.image is not None and not _LOCAL_ID.fullmatch(arm.image):
            found.append((f"arms.{arm.name}.image", arm.image))
        if arm.build is not None and (base := _base(arm.build)):
            found.append((f"arms.{arm.name}.build.{base[0]}", base[1]))
    return found


def unpinned(scenario: Scenario) -> list[tuple[str, str]]:
    """(key, reference) of every image whose bytes are not named: neither in the scenario nor in its lock."""
    return [(key, reference) for key, reference in references(scenario) if not _PINNED.fullmatch(reference)]


def lock_path(scenario_file: Path) -> Path:
    """Beside the scenario: scenario.yaml has scenario.lock."""
    return scenario_file.with_suffix(".lock")


def read_lock(path: Path) -> Lock | None:
    """The lock, None where there is none."""
    if not path.is_file():
        return None
    document = read_document(path)
    try:
        return Lock.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = tuple(first["loc"])
        raise InputError(
            f"{dotted(key)}: {first['msg']}",
            where=document.place(key),
            got=shown(first["input"]),
            repair=f"`nimbench pin {path.parent.name}` writes the lock anew",
        ) from error


def lock_text(lock: Lock, name: str) -> str:
    """The file's text."""
    yaml = YAML()
    yaml.width = 10_000  # a digest is never broken over lines
    out = io.StringIO()
    out.write(f"# Written by `nimbench pin {name}`, which asked each registry; run it again to move to newer images.\n")
    yaml.dump(lock.model_dump(mode="json"), out)
    return out.getvalue()


def with_lock(scenario: Scenario, lock: Lock | None) -> Scenario:
    """The scenario with name:tag@digest wherever the lock knows the tag. A digest in the scenario itself stays."""
    if lock is None:
        return scenario
    digests = {reference: image.digest for reference, image in lock.images.items()}
    return replace(scenario, arms=tuple(_locked_arm(arm, digests) for arm in scenario.arms))


def _locked_arm(arm: Arm, digests: Mapping[str, str]) -> Arm:
    image = _exact(arm.image, digests) if arm.image else None
    return replace(arm, image=image, build=_locked_build(arm.build, digests) if arm.build else None)


def _locked_build(build: Build, digests: Mapping[str, str]) -> Build:
    """A Dockerfile's default base becomes the given base once the lock knows its digest."""
    base = _base(build)
    if base is None or base[1] not in digests or _PINNED.fullmatch(base[1]):
        return build
    exact = _exact(base[1], digests)
    if BASE_IMAGE in build.args and build.base_image is None:
        return replace(build, args={**build.args, BASE_IMAGE: exact})
    return replace(build, base_image=exact)


def _exact(reference: str, digests: Mapping[str, str]) -> str:
    is_loose = reference in digests and not _PINNED.fullmatch(reference)
    return f"{reference}@{digests[reference]}" if is_loose else reference


def _base(build: Build) -> tuple[str, str] | None:
    """(key, reference) of the base that is fetched: none where it is another arm's image or made here."""
    if build.base_image is not None:
        return "base.image", build.base_image
    if build.base_arm is not None or build.base_made is not None:
        return None
    if BASE_IMAGE in build.args:
        return f"args.{BASE_IMAGE}", build.args[BASE_IMAGE]
    default = default_base(Path(build.context, build.dockerfile))
    return (f"context ({build.dockerfile}: ARG {BASE_IMAGE})", default) if default else None


def default_base(dockerfile: Path) -> str | None:
    """The default of `ARG BASE_IMAGE=` in a Dockerfile."""
    found = _DEFAULT_BASE.search(read_text(dockerfile)) if dockerfile.is_file() else None
    return found[1] if found else None


def not_pinned(scenario: Scenario, missing: Iterable[tuple[str, str]]) -> InputError:
    """Why a run does not start, with the command that puts it right."""
    rows = "".join(f"\n    {key}: {reference}" for key, reference in missing)
    return InputError(
        f"these images are named by a tag, which may stand for other bytes tomorrow:{rows}",
        where=shown_path(Path(scenario.folder)),
        expected="a digest for each, in the scenario (name:tag@sha256:…) or in its scenario.lock",
        repair=f"`nimbench pin {scenario.name}` on a host that reaches the registries",
    )

"""What a registry says of an image, without pulling it: digests, sizes on the wire, how it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.images import manifest as read
from bench.images.reference import Reference, parse_reference
from bench.images.session import Session
from bench.vocabulary import FailureKind

PLATFORM = "linux/amd64"
CONFIG_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An image in a registry, for one platform."""

    reference: str  # as it was asked for
    digest: str  # of what the name stands for: an index of platforms, or one manifest
    manifest_digest: str  # of this platform
    platform: str
    wire_bytes: int  # compressed layers and config: what a pull from nothing fetches
    layers: tuple[tuple[str, int], ...]  # (digest, compressed bytes), from the base up
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    created_utc: str | None = None
    anonymous: bool = True  # whether the registry gave it without a login
    source: str = ""  # the address that was asked
    config_digest: str = ""  # the image's id, where Docker keeps images by it
    diff_ids: tuple[str, ...] = ()  # of the unpacked layers, from the base up
    history: tuple[tuple[str, str | None, bool], ...] = ()  # (instruction, when, whether it made no layer)
    media_type: str = ""  # of the platform's manifest


def resolve(reference: str, *, platform: str = PLATFORM, environ: Mapping[str, str] = os.environ) -> Resolved:
    """Ask the registry. Anonymous first; a login only where it is wanted. Every byte is held against its digest."""
    name = parse_reference(reference)
    with Session(name, environ) as session:
        try:
            return _resolve(session, name, reference, platform)
        except ValueError as error:
            raise session.error(FailureKind.DOWNLOAD, str(error)) from error
        except LookupError as error:
            raise session.error(FailureKind.IMAGE_NOT_FOUND, str(error)) from error


def _resolve(session: Session, name: Reference, reference: str, platform: str) -> Resolved:
    body, headers = session.read(f"manifests/{name.wanted}", accept=read.ACCEPT)
    digest = _checked(body, name.digest or headers.get("docker-content-digest"))
    manifest, manifest_digest = read.read_object(body, "the manifest"), digest
    is_index = read.is_index(manifest, headers.get("content-type", ""))
    if is_index:
        manifest_digest = read.choose_platform(manifest, platform)
        body, headers = session.read(f"manifests/{manifest_digest}", accept=read.ACCEPT)
        _checked(body, manifest_digest)
        manifest = read.read_object(body, "the platform's manifest")
        if read.is_index(manifest, headers.get("content-type", "")):
            raise ValueError("an index inside an index")
    config_digest = read.digest_of(manifest.get("config"))
    body, _ = session.read(f"blobs/{config_digest}", limit_bytes=CONFIG_BYTES)
    _checked(body, config_digest)
    image = read.read_object(body, "the image's config")
    if not is_index:
        _check_platform(image, platform)
    config = read.part(image, "config")
    layers = tuple((read.digest_of(layer), read.size_of(layer)) for layer in manifest.get("layers") or ())
    return Resolved(
        reference=reference,
        digest=digest,
        manifest_digest=manifest_digest,
        platform=platform,
        wire_bytes=sum(size for _, size in layers) + read.size_of(manifest.get("config")),
        layers=layers,
        entrypoint=read.words(config.get("Entrypoint")),
        cmd=read.words(config.get("Cmd")),
        env=read.environment(config.get("Env")),
        labels=read.texts(config.get("Labels")),
        user=str(config.get("User") or ""),
        created_utc=image.get("created") if isinstance(image.get("created"), str) else None,
        anonymous=session.anonymous,
        source=session.address(f"manifests/{name.wanted}"),
        config_digest=config_digest,
        diff_ids=read.words(read.part(image, "rootfs").get("diff_ids")),
        history=read.history(image),
        media_type=str(manifest.get("mediaType") or headers.get("content-type", "")),
    )


def _checked(body: bytes, expected: str | None) -> str:
    """The digest of these bytes, which must be the one that was asked for or announced."""
    digest = read.sha256_digest(body)
    if expected is not None and digest != expected:
        raise ValueError(f"the registry's bytes are {digest}, not {expected[:80]}")
    return digest


def _check_platform(image: Mapping[str, Any], platform: str) -> None:
    found = f"{image.get('os')}/{image.get('architecture')}"
    if found != "/".join(platform.split("/")[:2]):
        raise LookupError(f"no image for {platform}; there is one for {found}")

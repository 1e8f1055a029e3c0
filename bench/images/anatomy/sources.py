"""Where an image's layers are read from: a registry, which need not be pulled, or this host's engine. Streams alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.events import Event, Progress, silent
from bench.images.anatomy.compression import unpacked
from bench.images.anatomy.docker_save import read_saved
from bench.images.anatomy.entries import Interest, LayerContents
from bench.images.anatomy.tar_layer import Budget, read_layer
from bench.images.manifest import environment, history, part, sha256_digest, texts, words

PLATFORM = "linux/amd64"
SAVE_TIMEOUT_S = 3600  # an engine before 25 writes the whole archive to its own disk before the first byte comes
History = tuple[tuple[str, str | None, bool], ...]  # (instruction, when, whether it made no layer), oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """An image whose layers were read once, from the base up."""

    reference: str
    digest: str | None  # of the platform's manifest, where a registry is known to have it
    config_digest: str
    platform: str
    layers: tuple[LayerContents, ...]
    blobs: tuple[tuple[str | None, int | None], ...]  # (digest, bytes on the wire) of each layer
    wire_bytes: int | None  # layers and config
    wire_is_estimate: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    created_utc: str | None = None
    history: History = ()
    source: str = ""
    doubts: tuple[str, ...] = ()


def registry_layers(
    reference: str,
    *,
    interest: Interest | None = None,
    platform: str = PLATFORM,
    progress: Progress = silent,
    environ: Mapping[str, str] = os.environ,
) -> ReadImage:
    """Each blob as it comes, one after another; nothing is kept of it but what was found."""
    from bench.images.reference import parse_reference
    from bench.images.registry import resolve  # httpx: whoever asks the engine goes without
    from bench.images.session import Session

    found = resolve(reference, platform=platform, environ=environ)
    layers, budget = [], Budget()
    with Session(parse_reference(reference), environ) as session:
        for index, (digest, size_bytes) in enumerate(found.layers):
            progress(Event("run", f"reading layer {index + 1} of {len(found.layers)} of {reference}"))
            chunks = session.stream(digest, size_bytes=size_bytes)
            layers.append(read_layer(unpacked(chunks), index=index, interest=interest, budget=budget))
            for _ in chunks:  # what a broken layer left unread counts for its digest
                pass
    return ReadImage(
        reference=reference,
        digest=found.manifest_digest,
        config_digest=found.config_digest,
        platform=platform,
        layers=tuple(layers),
        blobs=found.layers,
        wire_bytes=found.wire_bytes,
        labels=found.labels,
        env=found.env,
        user=found.user,
        created_utc=found.created_utc,
        history=found.history,
        source=found.source,
        doubts=unlike(layers, found.diff_ids),
    )


def engine_layers(
    reference: str, *, interest: Interest | None = None, progress: Progress = silent, client: Any | None = None
) -> ReadImage:
    """What `docker save` streams. An engine keeps no compressed layers, so bytes on the wire are estimated."""
    from bench.dockerhost.errors import docker_errors
    from bench.images.local import engine_of, image_facts

    with engine_of(client, timeout_s=SAVE_TIMEOUT_S) as engine, docker_errors(f"read {reference}", None):
        facts = image_facts(engine, reference)
        size = f" ({facts.disk_bytes / 1e9:.1f} GB)" if facts.disk_bytes else ""
        progress(Event("run", f"reading {reference}{size} from the engine"))
        saved = read_saved(engine.api.get_image(facts.id, chunk_size=1 << 20), where=reference, interest=interest)
    config = part(saved.config, "config")
    wire = [size for _, size in saved.blobs]
    return ReadImage(
        reference=reference,
        digest=None if saved.is_estimate else facts.digest,
        config_digest=sha256_digest(saved.config_body),
        platform=f"{saved.config.get('os')}/{saved.config.get('architecture')}",
        layers=saved.layers,
        blobs=saved.blobs,
        wire_bytes=sum(wire) + len(saved.config_body),
        wire_is_estimate=saved.is_estimate,
        labels=texts(config.get("Labels")),
        env=environment(config.get("Env")),
        user=str(config.get("User") or ""),
        created_utc=facts.created_utc,
        history=history(saved.config),
        source="the container engine of this host",
        doubts=unlike(saved.layers, words(part(saved.config, "rootfs").get("diff_ids"))),
    )


def unlike(layers: Sequence[LayerContents], diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Layers that are not what the config says, which no engine would unpack."""
    if len(diff_ids) != len(layers):
        return (f"the config names {len(diff_ids)} layers, the manifest {len(layers)}",)
    return tuple(
        f"layer {layer.index + 1} unpacks to {layer.diff_id}, not to the {wanted[:80]} of the config"
        for layer, wanted in zip(layers, diff_ids, strict=True)
        if layer.diff_id != wanted
    )

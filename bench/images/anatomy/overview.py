"""What registry or engine say of an image without its layers being read: a second, whatever its size."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from bench.errors import InputError
from bench.images.anatomy.place import identify
from bench.secrets import Redactor

# Dockerfile's instructions that change the config alone; `#(nop)` is what the builder before BuildKit wrote.
_SETTINGS = re.compile(
    r"(/bin/sh -c #\(nop\)\s+)?"
    r"(ENV|LABEL|CMD|ENTRYPOINT|EXPOSE|USER|ARG|VOLUME|HEALTHCHECK|STOPSIGNAL|SHELL|ONBUILD|MAINTAINER)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Sizes are None where only the layers themselves would tell."""

    reference: str
    digest: str | None  # of what the name stands for
    platform: str
    wire_bytes: int | None
    layers: tuple[tuple[str, int | None, str], ...]  # (digest, bytes on the wire, instruction), from the base up
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    created_utc: str | None = None
    source: str = ""
    wall_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """For programs: the keys that the design promises."""
        return {
            "reference": self.reference,
            "digest": self.digest,
            "platform": self.platform,
            "wire_bytes": self.wire_bytes,
            "disk_bytes": None,  # no registry knows it, and engines count it in different ways
            "layers": [{"digest": name, "wire_bytes": size, "created_by": by} for name, size, by in self.layers],
            "labels": dict(self.labels),
            "env": dict(self.env),
        }


def look(reference: str, *, where: str = "auto", platform: str = "linux/amd64") -> Overview:
    """Ask whoever has it. Secrets that its environment or its instructions hold are redacted."""
    started_s = time.monotonic()
    place, _ = identify(reference, where=where, platform=platform)
    found = _of_registry(reference, platform) if place == "registry" else _of_engine(reference, platform)
    known = Redactor.knowing(found.env)
    return replace(
        found,
        layers=tuple((name, size, known.text(by)) for name, size, by in found.layers),
        labels=known.env(found.labels),
        env=known.env(found.env),
        wall_s=time.monotonic() - started_s,
    )


def _of_registry(reference: str, platform: str) -> Overview:
    from bench.images.registry import resolve

    found = resolve(reference, platform=platform)
    steps = [by for by, _, is_empty in found.history if not is_empty]
    if len(steps) != len(found.layers):
        steps = [""] * len(found.layers)
    return Overview(
        reference=reference,
        digest=found.digest,
        platform=found.platform,
        wire_bytes=found.wire_bytes,
        layers=tuple((digest, size, by) for (digest, size), by in zip(found.layers, steps, strict=True)),
        labels=found.labels,
        env=found.env,
        user=found.user,
        created_utc=found.created_utc,
        source=found.source,
    )


def _of_engine(reference: str, platform: str) -> Overview:
    from bench.dockerhost.client import connect
    from bench.dockerhost.errors import docker_errors
    from bench.images.local import image_facts

    with closing(connect()) as client, docker_errors(f"look at {reference}", None):
        facts = image_facts(client, reference)
        found = client.api.inspect_image(facts.id)
        steps = [(str(row.get("CreatedBy") or ""), int(row.get("Size") or 0)) for row in client.api.history(facts.id)]
    has = f"{found.get('Os')}/{found.get('Architecture')}"
    if has != "/".join(platform.split("/")[:2]):
        raise InputError("this host's engine has it for another platform", where=reference, expected=platform, got=has,
                         repair=f"--platform {has}, or --where registry")  # fmt: skip
    diff_ids = [str(name) for name in (found.get("RootFS") or {}).get("Layers") or ()]
    return Overview(
        reference=reference,
        digest=facts.digest,
        platform=has,
        wire_bytes=None,
        layers=tuple((name, None, by) for name, by in zip(diff_ids, _instructions(steps, len(diff_ids)), strict=True)),
        labels=facts.labels,
        env=facts.env,
        user=facts.user,
        created_utc=facts.created_utc,
        source="the container engine of this host",
    )


def _instructions(newest_first: list[tuple[str, int]], layers: int) -> list[str]:
    """The engine does not say which steps made no layer: those of a word that makes none, where the count then fits."""
    steps = newest_first[::-1]
    sized = [by for by, size in steps if size]
    making = [by for by, size in steps if size or not _SETTINGS.match(by)]
    fitting = (names for names in (making, sized, [by for by, _ in steps]) if len(names) == layers)
    return next(fitting, [""] * layers)

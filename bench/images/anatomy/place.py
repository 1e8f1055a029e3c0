"""Who has an image: a registry, or only this host's engine; and the digest there that stands for its content."""

from __future__ import annotations

from contextlib import closing

from bench.errors import ArmError, PrerequisiteError
from bench.images.anatomy.sources import PLATFORM


def identify(reference: str, *, where: str = "auto", platform: str = PLATFORM) -> tuple[str, str]:
    """Who is asked ("registry" or "engine"), and the digest there that stands for the content."""
    if where == "engine" or reference.startswith("sha256:"):
        return "engine", _in_engine(reference)[0]
    from bench.images.registry import resolve

    local = None
    if where == "auto":
        local = _maybe_in_engine(reference)
        if local is not None and local[1] is None:  # no registry ever had it under this name
            return "engine", local[0]
    try:
        return "registry", resolve(reference, platform=platform).manifest_digest
    except ArmError:
        if local is None:
            raise
        return "engine", local[0]


def _in_engine(reference: str) -> tuple[str, str | None]:
    """Its id, and the digest by which a registry knows it."""
    from bench.dockerhost.client import connect
    from bench.dockerhost.errors import docker_errors
    from bench.images.local import image_facts

    with closing(connect()) as client, docker_errors(f"look at {reference}", None):
        facts = image_facts(client, reference)
    return facts.id, facts.digest


def _maybe_in_engine(reference: str) -> tuple[str, str | None] | None:
    try:
        return _in_engine(reference)
    except (ArmError, PrerequisiteError):
        return None

"""What a launch knows of its container: which image, which GPUs, what it wrote beside its volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bench.container import ImageFacts, Prepared
from bench.engines.base import LaunchSpec
from bench.model import PlannedLaunch
from bench.runtimes.base import Running
from bench.runtimes.docker import DockerArm


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """All empty for an arm of processes."""

    id: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    layer_bytes: int | None = None


def container_facts(running: Running, image: ImageFacts | None) -> ContainerFacts:
    """Asked after the stop: only then is the last byte of the container's layer written."""
    if not isinstance(running, DockerArm):
        return ContainerFacts()
    digests = {"image": running.image_id}
    if image is not None and image.digest is not None:
        digests["manifest"] = image.digest
    return ContainerFacts(
        id=running.container_id, digests=digests, devices=running.devices, layer_bytes=running.layer_bytes
    )


def named(spec: LaunchSpec, planned: PlannedLaunch, attempt: int, prepared: Prepared) -> LaunchSpec:
    """With a name by which a person finds the container in `docker ps`."""
    if spec.container is None or prepared.run_id is None:
        return spec
    name = f"nimbench-{prepared.run_id}-{planned.index:03d}.{attempt}-{planned.arm}"
    return replace(spec, container=replace(spec.container, name=name))

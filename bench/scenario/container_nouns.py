"""Turns the checked keys on containers into nouns."""

from __future__ import annotations

from pathlib import Path

from bench import container as nouns
from bench.anatomy import DayZero
from bench.scenario.container_shape import BuildShape, ContainerShape, HostShape, SecretsShape, WeightsShape
from bench.vocabulary import Network


def to_build(shape: BuildShape, folder: Path) -> nouns.Build:
    """Paths become absolute: a build runs from anywhere."""
    base = shape.base
    return nouns.Build(
        context=str((folder / shape.context).resolve()),
        dockerfile=shape.dockerfile,
        target=shape.target,
        args=dict(shape.args),
        base_image=base.image if base else None,
        base_arm=base.arm if base else None,
        base_made=base.made if base else None,
        wheelhouse=str((folder / shape.wheelhouse).resolve()) if shape.wheelhouse else None,
        secrets=tuple(shape.secrets),
        pip_check=shape.pip_check,
        day_zero=DayZero(reason=shape.day_zero.reason, until=shape.day_zero.until) if shape.day_zero else None,
    )


def to_container(below: ContainerShape, above: ContainerShape | None = None) -> nouns.Container:
    """The scenario's settings with those of an arm over them."""
    values = below.model_dump(exclude_none=True) | (above.model_dump(exclude_none=True) if above else {})
    return nouns.Container(
        network=values.get("network", Network.PUBLISHED_LOOPBACK),
        shm_bytes=values.get("shm_size"),
        ipc=values.get("ipc"),
        ulimits=values.get("ulimits", {}),
        user=values.get("user"),
        read_only=values.get("read_only", False),
        memory_bytes=values.get("memory"),
    )


def to_secrets(shape: SecretsShape) -> nouns.Secrets:
    """Names only."""
    return nouns.Secrets(
        prepare_required=tuple(shape.prepare.required),
        prepare_optional=tuple(shape.prepare.optional),
        run=tuple(shape.run),
    )


def to_weights(shape: WeightsShape) -> nouns.Weights:
    """Where they lie in a container."""
    return nouns.Weights(path=shape.path, from_arm=shape.from_arm, sha256=dict(shape.sha256))


def to_host(shape: HostShape) -> nouns.HostNeeds:
    """Minima and placement."""
    return nouns.HostNeeds(
        driver_min=shape.driver_min,
        docker_min=shape.docker_min,
        toolkit_min=shape.toolkit_min,
        disk_min_bytes=shape.disk_min,
        server_cpus=shape.server_cpus,
        client_cpus=shape.client_cpus,
    )

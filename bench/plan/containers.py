"""The container of an arm: the engine's command, put together with mounts, GPUs, ports and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from bench.container import Container, ContainerSpec, ImageFacts, Mount, Prepared
from bench.dockerhost.labels import ARM, RUN, SCENARIO
from bench.engines import get_engine
from bench.engines.base import Site
from bench.model import Arm, Scenario
from bench.plan.arms import ENGINE, filled_arm, filler
from bench.vocabulary import Network

MODELS = "/models"  # where a model of this host lies in a container
GPU_PLACEHOLDER = "GPU-chosen-when-the-run-starts"
PROFILE_PLACEHOLDER = "id-of"  # what a host with the GPU resolves from the name


def container_spec(
    scenario: Scenario, arm: Arm, host_port: int, host_model: str | None, prepared: Prepared
) -> ContainerSpec:
    """The measured start. `host_model`: the model's file or folder on this host, None where weights are mounted."""
    engine, settings = get_engine(arm.engine), arm.container or scenario.container
    port = host_port if settings.network is Network.HOST else engine.container_port
    inner, automatic = _model_inside(scenario, host_model)
    profile_id = profile_id_of(arm, prepared)
    words = template_words(scenario, port=port, inner_model=inner, host_model=host_model, profile_id=profile_id)
    ready_arm = filled_arm(arm, filler(words))
    image = prepared.images.get(arm.name)
    site = Site(
        ports={ENGINE: port},
        scratch="/tmp",
        python="python3",
        model_path=inner,
        container=True,
        host_network=settings.network is Network.HOST,
        image=image,
        profile_id=profile_id,
    )
    command = engine.command(ready_arm, scenario.model, scenario.serve_args, site)
    return ContainerSpec(
        image=image_name(scenario, arm, image),
        entrypoint=command.entrypoint,
        argv=command.argv,
        env=command.env,
        secrets=arm.secrets.run,
        port=port,
        host_port=host_port,
        settings=settings,
        mounts=(*filled_mounts(arm, words), *automatic),
        gpus=prepared.placement.gpus or ((GPU_PLACEHOLDER,) * scenario.gpu.count if scenario.gpu else ()),
        cpuset=prepared.placement.server_cpus,
        labels=labels_of(scenario, arm, prepared),
    )


def prepare_spec(scenario: Scenario, arm: Arm, host_model: str | None, prepared: Prepared) -> ContainerSpec:
    """The step that downloads, before any launch: it alone may see the arm's secrets, and serves nothing."""
    profile_id = profile_id_of(arm, prepared)
    words = template_words(scenario, port=0, inner_model=None, host_model=host_model, profile_id=profile_id)
    ready_arm = filled_arm(arm, filler(words))
    settings = arm.container or scenario.container
    return ContainerSpec(
        image=image_name(scenario, arm, prepared.images.get(arm.name)),
        argv=tuple(map(filler(words), arm.prepare or ())),
        env=ready_arm.env,
        secrets=(*arm.secrets.prepare_required, *arm.secrets.prepare_optional),
        settings=Container(shm_bytes=settings.shm_bytes, user=settings.user),
        mounts=filled_mounts(arm, words),
        gpus=prepared.placement.gpus or ((GPU_PLACEHOLDER,) * scenario.gpu.count if scenario.gpu else ()),
        labels=labels_of(scenario, arm, prepared),
    )


def image_name(scenario: Scenario, arm: Arm, image: ImageFacts | None) -> str:
    """By digest or id where the image is known; else what the scenario says, or the tag that a build will give."""
    if image is not None:
        return image.reference if "@sha256:" in image.reference else image.id
    return arm.image or built_tag(scenario, arm)


def built_tag(scenario: Scenario, arm: Arm) -> str:
    """The name of an image that this host builds."""
    return f"nimbench/{scenario.name.lower()}-{arm.name}:built"


def labels_of(scenario: Scenario, arm: Arm, prepared: Prepared) -> Mapping[str, str]:
    """By these a crashed run's containers are found again."""
    return {SCENARIO: scenario.name, ARM: arm.name, RUN: prepared.run_id or "not-started"}


def profile_id_of(arm: Arm, prepared: Prepared) -> str | None:
    """The id of a NIM's profile: resolved on the host, or written in the scenario; None = the NIM chooses."""
    known = prepared.profile_ids.get(arm.name, arm.profile_id)
    return known or (f"{PROFILE_PLACEHOLDER}-{arm.profile}" if arm.profile else None)


def template_words(
    scenario: Scenario,
    *,
    port: int,
    inner_model: str | None,
    host_model: str | None,
    profile_id: str | None = None,
) -> dict[str, str]:
    """What `${...}` means in a container arm: `model_path` inside of it, `model_folder` on the host."""
    return {
        "engine_port": str(port),
        "scratch": "/tmp",
        "model_id": scenario.model.id,
        "model_path": inner_model or "",
        "model_folder": host_model or "",
        "folder": scenario.folder,
        "profile_id": profile_id or "",
    }


def filled_mounts(arm: Arm, words: Mapping[str, str]) -> tuple[Mount, ...]:
    """The arm's mounts with host paths filled in."""
    fill = filler(words)
    return tuple(replace(mount, path=fill(mount.path)) if mount.path else mount for mount in arm.mounts)


def _model_inside(scenario: Scenario, host_model: str | None) -> tuple[str | None, tuple[Mount, ...]]:
    """Where the engine reads the model, and the mount that this takes. Weights of a volume are mounted by the arm."""
    if scenario.model.weights is not None:
        return scenario.model.weights.path, ()
    if host_model is None:
        return None, ()
    target = f"{MODELS}/{PurePosixPath(host_model).name}"
    return target, (Mount(target=target, path=host_model, read_only=True),)

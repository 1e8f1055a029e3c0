"""What a runtime needs to start an arm: commands or a container, with every `${...}` filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.container import Placement, Prepared
from bench.engines import get_engine
from bench.engines.base import Command, LaunchSpec, Site
from bench.errors import InputError
from bench.model import Arm, Plan, Scenario
from bench.plan.arms import ENGINE, arm_of, filled_arm, filler, placed
from bench.plan.containers import container_spec
from bench.runtimes.environments import env_python
from bench.runtimes.models import model_location
from bench.vocabulary import RuntimeKind

UNPREPARED = Prepared()


def launch_spec(
    scenario: Scenario, arm_name: str, plan: Plan, *, scratch: str, prepared: Prepared = UNPREPARED
) -> LaunchSpec:
    """Where the load goes, and what must be started for it. Without `prepared` a container shows placeholders."""
    arm = arm_of(scenario, arm_name)
    engine = get_engine(arm.engine)
    ports = plan.ports[arm.name]
    url = arm.url if arm.url else f"http://127.0.0.1:{ports[arm.entry]}"
    is_container = arm.runtime is RuntimeKind.DOCKER
    container = (
        container_spec(scenario, arm, ports[ENGINE], model_path(scenario, arm), prepared) if is_container else None
    )
    return LaunchSpec(
        commands=() if arm.url or is_container else _commands(scenario, arm, ports, scratch, prepared.placement),
        url=url,
        ready_path=engine.ready_path,
        metrics_url=f"{arm.url or f'http://127.0.0.1:{ports[ENGINE]}'}{engine.metrics_path}",
        ready_timeout_s=arm.ready_timeout_s,
        engine=engine.name,
        container=container,
    )


def model_path(scenario: Scenario, arm: Arm) -> str | None:
    """Where the arm reads the model's files, None where the scenario names none. Creates nothing."""
    if scenario.model.made is None and scenario.model.path is None:
        return None
    try:
        return str(model_location(scenario.model, scenario.folder, get_engine(arm.engine).model_format))
    except InputError as error:
        raise placed(error, f"{scenario.name}: model", "change model.made, or give model.path") from error


def _commands(
    scenario: Scenario, arm: Arm, ports: Mapping[str, int], scratch: str, placement: Placement
) -> tuple[Command, ...]:
    path = model_path(scenario, arm)
    words = {f"{name}_port": str(port) for name, port in ports.items()}
    words |= {"scratch": scratch, "model_id": scenario.model.id, "folder": scenario.folder, "model_path": path or ""}
    filled = filler(words)
    ready_arm = filled_arm(arm, filled)
    site = Site(ports=ports, scratch=scratch, python=env_python(arm.packages), model_path=path)
    engine_command = get_engine(arm.engine).command(ready_arm, scenario.model, scenario.serve_args, site)
    sidecars = (
        Command(
            name=sidecar.name,
            argv=tuple(map(filled, sidecar.command)),
            env=ready_arm.env,
            files={name: filled(text) for name, text in sidecar.files.items()},
        )
        for sidecar in arm.also
    )
    return tuple(_on_gpus(command, placement) for command in (engine_command, *sidecars))


def _on_gpus(command: Command, placement: Placement) -> Command:
    """Sees the arm's GPUs and no others: those that are sampled.

    By index, for vLLM takes no UUID (its issues 13815 and 20939); NVML counts them in the order of the PCI bus.
    """
    if not placement.gpu_indices:
        return command
    seen = ",".join(map(str, placement.gpu_indices))
    return replace(command, env={**command.env, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": seen})

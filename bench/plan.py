"""The plan: every launch in order, its ports and prompts' seed, and what it will take. Pure; starts nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from string import Template

from bench.engines import ENGINES, get_engine
from bench.engines.base import Command, LaunchSpec, Site
from bench.errors import InputError, PrerequisiteError
from bench.model import Arm, Plan, PlannedLaunch, Scenario
from bench.runtimes.environments import env_python
from bench.runtimes.models import model_location
from bench.scenario.problems import did_you_mean
from bench.vocabulary import RuntimeKind

ENGINE = "engine"  # the name of an arm's own command; sidecars have their own
NO_DOCKER = "the Docker runtime is not part of this version"

# Estimates for the expected time alone; the run measures the real ones. From the first process to steady answers:
# with a small model on 2 cores for llamacpp and vllm, from published logs for nim.
_START_S = {"llamacpp": 5.0, "vllm": 90.0, "nim": 300.0}
_START_OTHER_S = 120.0
_STOP_S = 1.0
_CALIBRATION_STAGE_S = 3.5  # once a run for each stage
_BLOCK_S = 2.5  # the provisional report
_RUN_S = 5.0  # looking at files, the last report
_DRAIN_S = 2.0  # of a stage, until the last request in flight has ended

# Estimates for the disk that a run folder takes.
_CHUNKS_PER_STREAM_PER_S = 100
_BYTES_PER_CHUNK = 6
_SAMPLES_PER_TICK = 60  # telemetry metrics at one instant
_BYTES_PER_SAMPLE = 8
_BYTES_PER_LAUNCH = 2_000_000  # its log, its record
_BYTES_PER_RUN = 8_000_000  # the report with plotly inside


def make_plan(scenario: Scenario, *, seed: int | None = None) -> Plan:
    """Burn-in blocks, then the kept ones; each starts every arm once, in an order drawn from the seed."""
    for arm in scenario.arms:
        _known_engine(scenario, arm)
    chosen = scenario.launches.seed if seed is None else seed
    launches = tuple(_launches(scenario, chosen))
    return Plan(
        launches=launches,
        ports=_ports(scenario),
        seed=chosen,
        expected_s=_expected_s(scenario, launches),
        disk_bytes=_BYTES_PER_RUN + len(launches) * _launch_bytes(scenario),
    )


def launch_spec(scenario: Scenario, arm_name: str, plan: Plan, *, scratch: str) -> LaunchSpec:
    """What a runtime needs to start this arm: commands with every `${...}` filled in, and where the load goes."""
    arm = _arm(scenario, arm_name)
    engine = get_engine(arm.engine)
    if arm.runtime is RuntimeKind.DOCKER:
        raise PrerequisiteError(
            NO_DOCKER,
            where=f"arms.{arm.name}",
            repair="give the arm `packages` (its own Python environment) or `url` (a server that you start)",
        )
    ports = plan.ports[arm.name]
    url = arm.url if arm.url else f"http://127.0.0.1:{ports[arm.entry]}"
    return LaunchSpec(
        commands=() if arm.url else _commands(scenario, arm, ports, scratch),
        url=url,
        ready_path=engine.ready_path,
        metrics_url=f"{arm.url or f'http://127.0.0.1:{ports[ENGINE]}'}/metrics",
        ready_timeout_s=arm.ready_timeout_s,
        engine=engine.name,
    )


def model_path(scenario: Scenario, arm: Arm) -> str | None:
    """Where the arm reads the model's files, None where the scenario names none. Creates nothing."""
    if scenario.model.made is None and scenario.model.path is None:
        return None
    try:
        return str(model_location(scenario.model, scenario.folder, get_engine(arm.engine).model_format))
    except InputError as error:
        raise _placed(error, f"{scenario.name}: model", "change model.made, or give model.path") from error


def _commands(scenario: Scenario, arm: Arm, ports: Mapping[str, int], scratch: str) -> tuple[Command, ...]:
    path = model_path(scenario, arm)
    words = {f"{name}_port": str(port) for name, port in ports.items()}
    words |= {"scratch": scratch, "model_id": scenario.model.id, "folder": scenario.folder, "model_path": path or ""}

    def filled(text: str) -> str:
        return Template(text).safe_substitute(words)

    ready_arm = replace(
        arm,
        args=tuple(map(filled, arm.args)),
        command=tuple(map(filled, arm.command)) if arm.command else None,
        env={name: filled(value) for name, value in arm.env.items()},
    )
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
    return (engine_command, *sidecars)


def _launches(scenario: Scenario, seed: int) -> Iterator[PlannedLaunch]:
    index = 0
    order = random.Random(seed)
    for block in range(scenario.launches.burn_in + scenario.launches.blocks):
        arms = [arm.name for arm in scenario.arms]
        order.shuffle(arms)
        prompts_seed = random.Random(f"{seed}/{block}").getrandbits(32)
        for position, arm in enumerate(arms):
            index += 1
            yield PlannedLaunch(
                index=index,
                arm=arm,
                block=block,
                order_in_block=position,
                burn_in=block < scenario.launches.burn_in,
                seed=prompts_seed,
            )


def _ports(scenario: Scenario) -> dict[str, dict[str, int]]:
    """Counted up from `launches.port_base`: every command of every arm has its own, none for a server that runs."""
    free = iter(range(scenario.launches.port_base, 65536))
    return {
        arm.name: {} if arm.url else {name: next(free) for name in (ENGINE, *(sidecar.name for sidecar in arm.also))}
        for arm in scenario.arms
    }


def _expected_s(scenario: Scenario, launches: tuple[PlannedLaunch, ...]) -> float:
    blocks = scenario.launches.burn_in + scenario.launches.blocks
    around_s = _RUN_S + blocks * _BLOCK_S + len(scenario.load.stages) * _CALIBRATION_STAGE_S
    return around_s + sum(_launch_s(scenario, _arm(scenario, launch.arm)) for launch in launches)


def _launch_s(scenario: Scenario, arm: Arm) -> float:
    load = scenario.load
    stages_s = sum(load.ramp_s + load.warmup_s + (stage.duration_s or 0.0) + _DRAIN_S for stage in load.stages)
    start_s = 0.0 if arm.url else _START_S.get(arm.engine, _START_OTHER_S) + _STOP_S
    return start_s + load.rounds * stages_s + scenario.launches.cooldown_s


def _launch_bytes(scenario: Scenario) -> int:
    load, size = scenario.load, 0.0
    for stage in load.stages:
        stage_s = load.ramp_s + load.warmup_s + (stage.duration_s or 0.0) + _DRAIN_S
        size += stage_s * (stage.concurrency or 1) * _CHUNKS_PER_STREAM_PER_S * _BYTES_PER_CHUNK
        size += stage_s / scenario.launches.telemetry_interval_s * _SAMPLES_PER_TICK * _BYTES_PER_SAMPLE
    return _BYTES_PER_LAUNCH + round(size * load.rounds)


def _arm(scenario: Scenario, name: str) -> Arm:
    return next(arm for arm in scenario.arms if arm.name == name)


def _known_engine(scenario: Scenario, arm: Arm) -> None:
    """An engine's name is checked here, where engines may be asked, with the place of the scenario's key."""
    try:
        get_engine(arm.engine)
    except InputError as error:
        repair = did_you_mean(arm.engine, ENGINES) or "change the key `engine` of this arm"
        raise _placed(error, f"{scenario.name}: arms.{arm.name}.engine", repair) from error


def _placed(error: InputError, where: str, repair: str) -> InputError:
    """The same error with the place and the repair that only a plan knows."""
    return InputError(error.problem, where=where, expected=error.expected, got=error.got, repair=error.repair or repair)

"""What a run will take, in time and disk: estimates for the plan alone; the run measures the real ones."""

from __future__ import annotations

from bench.model import Arm, PlannedLaunch, Scenario
from bench.plan.arms import arm_of
from bench.vocabulary import ImageAbsent

# From the first process to steady answers:
# with a small model on 2 cores for llamacpp and vllm, from published logs for nim.
_START_S = {"llamacpp": 5.0, "vllm": 90.0, "nim": 300.0}
_START_OTHER_S = 120.0
IDLE_SETTLE_S = 3.0  # for clocks to fall, and the sampler to begin, before GPUs count as idle
_STOP_S = 1.0
_RENEWED_S = 35.0  # to build, push, look into, remove and pull one image of 0.1 GB, with 2 cores
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
BYTES_PER_RUN = 8_000_000  # the report with plotly inside


def expected_s(scenario: Scenario, launches: tuple[PlannedLaunch, ...]) -> float:
    """The whole run."""
    blocks = scenario.launches.burn_in + scenario.launches.blocks
    around_s = _RUN_S + blocks * _BLOCK_S + len(scenario.load.stages) * _CALIBRATION_STAGE_S
    return around_s + sum(_launch_s(scenario, arm_of(scenario, launch.arm)) for launch in launches)


def _launch_s(scenario: Scenario, arm: Arm) -> float:
    load = scenario.load
    stages_s = sum(load.ramp_s + load.warmup_s + (stage.duration_s or 0.0) + _DRAIN_S for stage in load.stages)
    start_s = 0.0 if arm.url else _START_S.get(_starting_engine(scenario, arm), _START_OTHER_S) + _STOP_S
    watched_s = 2 * (IDLE_SETTLE_S + scenario.launches.gpu_idle_s) if is_watched_idle(scenario) and not arm.url else 0.0
    renewed_s = _RENEWED_S if scenario.coldstart.image_absent is ImageAbsent.EACH else 0.0
    return start_s + watched_s + renewed_s + load.rounds * stages_s + scenario.launches.cooldown_s


def is_watched_idle(scenario: Scenario) -> bool:
    """Whether every launch watches its GPUs with nothing to do."""
    return scenario.gpu is not None and scenario.launches.gpu_idle_s > 0


def _starting_engine(scenario: Scenario, arm: Arm) -> str:
    """An image built from another arm's starts what that one starts: a stand-in is not as slow as a NIM."""
    seen = {arm.name}
    while arm.build and arm.build.base_arm and arm.build.base_arm not in seen:
        seen.add(arm.build.base_arm)
        arm = arm_of(scenario, arm.build.base_arm)
    return arm.engine


def launch_bytes(scenario: Scenario) -> int:
    """The files of one launch."""
    load, size = scenario.load, 0.0
    for stage in load.stages:
        stage_s = load.ramp_s + load.warmup_s + (stage.duration_s or 0.0) + _DRAIN_S
        size += stage_s * (stage.concurrency or 1) * _CHUNKS_PER_STREAM_PER_S * _BYTES_PER_CHUNK
        size += stage_s / scenario.launches.telemetry_interval_s * _SAMPLES_PER_TICK * _BYTES_PER_SAMPLE
    return _BYTES_PER_LAUNCH + round(size * load.rounds)

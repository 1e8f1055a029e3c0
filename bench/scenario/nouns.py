"""Turns a checked shape into the frozen nouns that everything else speaks."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from bench import model
from bench.scenario import units
from bench.scenario.contradictions import runtime_of, stage_id
from bench.scenario.shape import ArmShape, LoadShape, ScenarioShape
from bench.scenario.source import read_text

T = TypeVar("T")


def to_scenario(shape: ScenarioShape, name: str, folder: Path) -> model.Scenario:
    """The scenario with every default resolved; the shape has been through a mode and holds no contradiction."""
    return model.Scenario(
        name=name,
        folder=str(folder),
        summary=shape.summary,
        question=shape.question,
        notice=shape.notice,
        baseline=shape.baseline,
        model=model.Model(**shape.model.model_dump()),
        serve_args=tuple(shape.serve_args),
        arms=tuple(_arm(arm_name, arm, folder) for arm_name, arm in shape.arms.items()),
        load=_load(shape.load),
        launches=_launches(shape),
        primary=_primary(shape),
        margins=dict(shape.margins),
        slo={metric: units.limit(metric, value) for metric, value in shape.slo.items()},
        cost=model.Cost(**shape.cost.model_dump()),
    )


def _arm(name: str, arm: ArmShape, folder: Path) -> model.Arm:
    return model.Arm(
        name=name,
        engine=arm.engine,
        side=arm.side,
        runtime=runtime_of(arm),
        notice=arm.notice,
        url=arm.url.rstrip("/") if arm.url else None,
        image=arm.image,
        build=arm.build.context if arm.build else None,
        command=tuple(arm.command) if arm.command else None,
        args=tuple(arm.args),
        env=dict(arm.env),
        packages=str((folder / arm.packages).resolve()) if arm.packages else None,
        also=tuple(
            model.Sidecar(
                name=sidecar_name,
                command=tuple(sidecar.command),
                files={target: read_text(folder / template) for target, template in sidecar.files.items()},
            )
            for sidecar_name, sidecar in arm.also.items()
        ),
        entry=arm.entry,
        ready_timeout_s=arm.ready_timeout,
    )


def _load(load: LoadShape) -> model.Load:
    return model.Load(
        stages=tuple(
            model.Stage(id=stage_id(stage), concurrency=stage.concurrency, duration_s=stage.duration or load.duration)
            for stage in _known(load.stages)
        ),
        input_tokens=load.prompt.input_tokens,
        output_tokens=load.prompt.output_tokens,
        api=load.api,
        temperature=load.sampling.temperature,
        ignore_eos=load.sampling.ignore_eos,
        rounds=_known(load.rounds),
        warmup_s=_known(load.warmup),
        warmup_requests=_known(load.warmup_requests),
        ramp_s=_known(load.ramp),
        timeout_s=load.timeout,
        workers=load.workers,
    )


def _launches(shape: ScenarioShape) -> model.Launches:
    launches = shape.launches
    return model.Launches(
        mode=launches.mode,
        blocks=_known(launches.blocks),
        burn_in=_known(launches.burn_in),
        seed=launches.seed,
        cooldown_s=launches.cooldown,
        telemetry_interval_s=launches.telemetry_interval,
        port_base=launches.port_base,
    )


def _primary(shape: ScenarioShape) -> model.Primary:
    """With one stage the primary metric needs no name of a stage, unless it belongs to the launch."""
    metric, stage, stages = shape.primary.metric, shape.primary.stage, _known(shape.load.stages)
    if stage is None and len(stages) == 1 and not metric.startswith("start_"):
        stage = stage_id(stages[0])
    return model.Primary(metric=metric, stage=stage)


def _known(value: T | None) -> T:
    """A value that the mode's preset has filled in."""
    if value is None:
        raise AssertionError("the preset leaves this open")
    return value

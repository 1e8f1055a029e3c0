"""Turns a checked shape into the frozen nouns that everything else speaks."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from bench import container, model
from bench.metric_names import OF_LAUNCHES
from bench.scenario import units
from bench.scenario.container_nouns import to_build, to_container, to_host, to_secrets, to_weights
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
        model=_model(shape),
        serve_args=tuple(shape.serve_args),
        gpu=container.Gpu(**shape.gpu.model_dump()) if shape.gpu else None,
        host=to_host(shape.host),
        container=to_container(shape.container),
        registry=shape.registry,
        coldstart=container.Coldstart(
            image_absent=shape.coldstart.image_absent, bandwidth_bits_per_s=shape.coldstart.bandwidth
        ),
        dose=_dose(shape),
        arms=tuple(_arm(arm_name, arm, shape, folder) for arm_name, arm in shape.arms.items()),
        load=_load(shape.load),
        launches=_launches(shape),
        primary=_primary(shape),
        margins=dict(shape.margins),
        slo={metric: units.limit(metric, value) for metric, value in shape.slo.items()},
        cost=model.Cost(**shape.cost.model_dump()),
    )


def _dose(shape: ScenarioShape) -> model.Dose | None:
    dose = shape.dose
    if dose is None:
        return None
    pairs = tuple((first, second) for first, second in dose.pairs)
    return model.Dose(
        series=tuple(dose.series), predict=tuple(dose.predict), pairs=pairs, packings=tuple(dose.packings)
    )


def _model(shape: ScenarioShape) -> model.Model:
    plain = shape.model.model_dump(exclude={"weights"})
    return model.Model(**plain, weights=to_weights(shape.model.weights) if shape.model.weights else None)


def _arm(name: str, arm: ArmShape, shape: ScenarioShape, folder: Path) -> model.Arm:
    return model.Arm(
        name=name,
        engine=arm.engine,
        side=arm.side,
        runtime=runtime_of(arm),
        notice=arm.notice,
        url=arm.url.rstrip("/") if arm.url else None,
        image=arm.image,
        build=to_build(arm.build, folder) if arm.build else None,
        container=to_container(shape.container, arm.container),
        mounts=tuple(container.Mount(**mount.model_dump()) for mount in arm.mounts),
        profile=arm.profile,
        profile_id=arm.profile_id,
        prepare=tuple(arm.prepare) if arm.prepare else None,
        secrets=to_secrets(arm.secrets),
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
        gpu_idle_s=_known(launches.gpu_idle),
        port_base=launches.port_base,
    )


def _primary(shape: ScenarioShape) -> model.Primary:
    """With one stage the primary metric needs no name of a stage, unless it belongs to the launch."""
    metric, stage, stages = shape.primary.metric, shape.primary.stage, _known(shape.load.stages)
    if stage is None and len(stages) == 1 and metric not in OF_LAUNCHES:
        stage = stage_id(stages[0])
    return model.Primary(metric=metric, stage=stage)


def _known(value: T | None) -> T:
    """A value that the mode's preset has filled in."""
    if value is None:
        raise AssertionError("the preset leaves this open")
    return value

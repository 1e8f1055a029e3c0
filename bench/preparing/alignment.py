"""Lays the arguments that a NIM gives its own engine beside those of the custom arms: a first look before any load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.container import ContainerSpec, Prepared
from bench.dockerhost.line import docker_run_line
from bench.engines.alignment import Edit, EngineArgs, aligned_args, engine_args
from bench.engines.flags import differences
from bench.events import Event, Progress
from bench.model import Arm, Scenario
from bench.plan.containers import container_spec
from bench.preparing.steps import step_error
from bench.runtimes.once import run_once
from bench.secrets import Redactor
from bench.vocabulary import Question

TIMEOUT_S = 600.0
SERVE = "nim-serve"


def dry_run_alignment(
    scenario: Scenario,
    arms: tuple[Arm, ...],
    models: Mapping[str, str | None],
    prepared: Prepared,
    progress: Progress,
) -> dict[str, Any]:
    """Custom arm -> {"of", "aligned", "differences"}; nothing where no arm can say what it would run."""
    if scenario.question is not Question.CONTAINER:
        return {}
    speaker = next((arm for arm in arms if can_dry_run(arm)), None)
    others = [arm for arm in arms if arm.engine == "vllm"]
    if speaker is None or not others:
        return {}
    return alignment_of(scenario, speaker, others, models, prepared, progress)


def alignment_of(
    scenario: Scenario,
    speaker: Arm,
    others: Sequence[Arm],
    models: Mapping[str, str | None],
    prepared: Prepared,
    progress: Progress,
) -> dict[str, Any]:
    """The speaker's engine arguments beside those of each other arm."""
    progress(Event("run", f"asking {speaker.name} how it would start its engine"))
    found = dry_run(scenario, speaker, models[speaker.name], prepared)
    weights = scenario.model.weights
    result = {}
    for arm in others:
        spec = container_spec(scenario, arm, 0, models[arm.name], prepared)
        args, edits = aligned_args(found, model_path=weights.path if weights else None)
        result[arm.name] = {
            "of": speaker.name,
            "aligned": list(args),
            "edits": [edit_words(edit) for edit in edits],
            "differences": differences(args, spec.argv),
        }
    return result


def can_dry_run(arm: Arm) -> bool:
    """Only a NIM 2.x that is started by its verb."""
    return arm.engine == "nim" and arm.command is not None and SERVE in arm.command[0]


def dry_run_spec(scenario: Scenario, arm: Arm, model: str | None, prepared: Prepared) -> ContainerSpec:
    """The measured start with one more word, and without a port."""
    spec = container_spec(scenario, arm, 0, model, prepared)
    return replace(spec, argv=(*spec.argv, "--dry-run"), port=None, host_port=None)


def dry_run(scenario: Scenario, arm: Arm, model: str | None, prepared: Prepared) -> EngineArgs:
    """What `nim-serve --dry-run` prints, read."""
    spec = dry_run_spec(scenario, arm, model, prepared)
    finished = run_once(spec, arm=arm.name, timeout_s=TIMEOUT_S)
    if finished.exit_code != 0:
        line = docker_run_line(spec, Redactor.knowing(arm.env))
        raise step_error(arm, f"{SERVE} --dry-run", finished, line)
    return engine_args(finished.output, arm=arm.name)


def edit_words(edit: Edit) -> str:
    """`dropped --port 8001: where it listens comes from the plan`."""
    after = f" by {edit.after}" if edit.after and edit.after != edit.before else ""
    return f"{edit.action} {edit.flag} {edit.before}".rstrip() + f"{after}: {edit.reason}"

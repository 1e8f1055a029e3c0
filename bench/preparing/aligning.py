"""What `nimbench align` does: asks the NIM of a scenario how it starts its engine, and starts nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.container import Coldstart, Prepared
from bench.errors import InputError
from bench.events import Progress
from bench.model import Arm, Scenario
from bench.plan import model_path
from bench.preparing.alignment import alignment_of, can_dry_run
from bench.preparing.images import prepare_images
from bench.preparing.profiles import resolve_profiles
from bench.runtimes.containers import container_arms
from bench.runtimes.placement import place


def align(scenario: Scenario, progress: Progress) -> dict[str, Any]:
    """Custom arm -> {"of", "aligned", "edits", "differences"}. Only the NIM's image is brought here."""
    speaker = next((arm for arm in scenario.arms if can_dry_run(arm)), None)
    others = [arm for arm in container_arms(scenario) if arm.engine == "vllm"]
    if speaker is None or not others:
        raise InputError(
            "this scenario has nothing to align",
            where=scenario.name,
            expected="an arm `engine: nim` with `command: [nim-serve]`, and a container arm `engine: vllm`",
            repair="a NIM 1.x cannot say its engine's arguments: align it by hand",
        )
    placement = place(scenario)[0]
    wanted = replace(
        scenario, arms=tuple(_with_bases(scenario, speaker)), registry=None, coldstart=Coldstart()
    )  # nothing is pushed or removed for a question
    with tempfile.TemporaryDirectory(prefix="nimbench-align-") as folder:
        records = prepare_images(wanted, Path(folder), progress, before={}, keep=lambda _: None)
    prepared = Prepared(
        images={name: record.facts for name, record in records.items()},
        placement=placement,
        run_id="align",
    )
    models = {arm.name: model_path(scenario, arm) for arm in (speaker, *others)}
    profiles = resolve_profiles(scenario, (speaker,), models, prepared, progress)
    prepared = replace(prepared, profile_ids={name: one["id"] for name, one in profiles.items()})
    return alignment_of(scenario, speaker, others, models, prepared, progress)


def _with_bases(scenario: Scenario, arm: Arm) -> Iterator[Arm]:
    """The arm and those whose images its own is built from."""
    yield arm
    if arm.build and arm.build.base_arm:
        yield from _with_bases(scenario, next(one for one in scenario.arms if one.name == arm.build.base_arm))

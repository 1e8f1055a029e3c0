"""Which build `nimbench image lint --rebuild` repeats, and on which base."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import click

from bench.cli.interrupts import Interrupts
from bench.cli.progress import PlainLines
from bench.container import Build, ImageFacts
from bench.errors import InputError, PrerequisiteError
from bench.images.rebuild import RebuildReport, rebuild
from bench.model import Arm, Scenario
from bench.scenario import load_scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One build, and where it stands in a scenario, if it does."""

    build: Build
    name: str
    scenario: Scenario | None = None
    arm: Arm | None = None


def chosen_build(words: Sequence[str], build_args: Mapping[str, str]) -> Chosen:
    """SCENARIO ARM, or one folder with a Dockerfile."""
    if len(words) == 1 and Path(words[0], "Dockerfile").is_file():
        folder = Path(words[0]).resolve()
        return Chosen(build=Build(context=str(folder), args=dict(build_args)), name=folder.name)
    if len(words) != 2:
        raise click.UsageError("--rebuild takes SCENARIO ARM, or one folder with a Dockerfile")
    scenario = load_scenario(words[0])
    built = {arm.name: arm for arm in scenario.arms if arm.build is not None}
    arm = built.get(words[1])
    if arm is None or arm.build is None:
        raise InputError(
            "no arm of this name is built here",
            where=words[0],
            expected=", ".join(built) or "a scenario with an arm that has `build`",
            got=words[1],
        )
    build = replace(arm.build, args={**arm.build.args, **build_args})
    return Chosen(build=build, name=arm.name, scenario=scenario, arm=arm)


def build_twice(chosen: Chosen) -> RebuildReport:
    """Both builds, with their progress on standard error; what was built is removed again."""
    progress = PlainLines(sys.stderr)
    with Interrupts().installed():
        return rebuild(chosen.build, base=_base(chosen, progress), arm=chosen.name, progress=progress)


def _base(chosen: Chosen, progress: PlainLines) -> ImageFacts | None:
    """As a run has it, but for another arm's image, which must be here."""
    from bench.preparing.bases import base_of

    if chosen.scenario is None or chosen.arm is None:
        return None
    return base_of(chosen.scenario, chosen.arm, _image_of_arm(chosen), progress)


def _image_of_arm(chosen: Chosen) -> dict[str, ImageFacts]:
    from bench.dockerhost.client import connect
    from bench.plan.containers import built_tag
    from bench.preparing.bases import image_here

    if chosen.scenario is None or chosen.build.base_arm is None:
        return {}
    other = next(arm for arm in chosen.scenario.arms if arm.name == chosen.build.base_arm)
    reference = built_tag(chosen.scenario, other) if other.build else str(other.image)
    with closing(connect()) as client:
        facts = image_here(client, reference)
    if facts is None:
        raise PrerequisiteError(
            f"the base is the image of the arm {other.name!r}, which is not on this host",
            got=f"no image {reference}",
            repair=f"nimbench run {chosen.scenario.name}, which builds it",
        )
    return {other.name: facts}

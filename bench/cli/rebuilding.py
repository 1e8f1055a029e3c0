"""What `image lint` builds: a folder as it stands, or one arm of a scenario on the base that the scenario gives it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.choices import require_modules
from bench.cli.progress import PlainLines
from bench.cli.tables import show_table
from bench.container import Build, ImageFacts
from bench.errors import InputError
from bench.model import Scenario
from bench.scenario.loading import load_scenario

if TYPE_CHECKING:
    from bench.images.rebuild import RebuildReport

SHOWN = 20  # differences printed; all of them are in the JSON


def scenario_build(name: str, arm: str) -> tuple[Scenario, Build]:
    """The build of one arm."""
    scenario = load_scenario(name)
    builds = {one.name: one.build for one in scenario.arms if one.build}
    if arm not in builds:
        raise InputError(
            f"{scenario.name} builds no image for an arm {arm!r}", where="--arm", expected=", ".join(builds) or "none"
        )
    return scenario, builds[arm]


def folder_build(path: Path, args: Mapping[str, str]) -> Build:
    """A folder with a Dockerfile, or a Dockerfile whose folder is the context."""
    path = path.resolve()
    if path.is_dir():
        return Build(context=str(path), args=dict(args))
    return Build(context=str(path.parent), dockerfile=path.name, args=dict(args))


def rebuilt(build: Build, scenario: Scenario | None, arm: str) -> RebuildReport:
    """Two builds and what differs; steps are told on stderr."""
    require_modules("docker")
    from bench.images.rebuild import rebuild  # Docker: linting alone goes without

    progress = PlainLines(sys.stderr)
    base = _base(scenario, arm, progress) if scenario else None
    return rebuild(build, base=base, arm=arm, progress=progress)


def _base(scenario: Scenario, arm: str, progress: PlainLines) -> ImageFacts | None:
    """Of another arm, its image as it was last built or pulled here."""
    from bench.dockerhost.client import connect
    from bench.images.local import image_facts
    from bench.plan.arms import arm_of
    from bench.plan.containers import built_tag
    from bench.preparing.bases import base_of

    asked = arm_of(scenario, arm)
    images: dict[str, ImageFacts] = {}
    if asked.build and asked.build.base_arm:
        other = arm_of(scenario, asked.build.base_arm)
        with closing(connect()) as client:
            name = built_tag(scenario, other) if other.build else str(other.image)
            images[other.name] = image_facts(client, name)
    return base_of(scenario, asked, images, progress)


def document_of(report: RebuildReport) -> dict[str, Any]:
    """What other programs read."""
    return {**asdict(report), "explained": report.explained}


def show(report: RebuildReport) -> None:
    """The grade, and what differs."""
    click.echo("")
    click.echo(f"Built twice with {report.tool}, SOURCE_DATE_EPOCH={report.epoch_s}.")
    click.echo(report.explained)
    for text in report.packages:
        click.echo(f"  package {text}")
    if report.differing:
        rows = [(_where(one.layer), one.path or "-", one.why) for one in report.differing]
        show_table(("layer", "path", "what differs"), rows[:SHOWN])
        if len(rows) > SHOWN:
            click.echo(f"and {len(rows) - SHOWN} more (--json has all)")
    reasons = Counter(str(one.reason) for one in report.named)
    if reasons:
        first = {str(one.reason): one.path or one.why for one in reversed(report.named)}
        rows = [(str(count), first[reason], reason) for reason, count in reasons.most_common()]
        show_table(("things", "such as", "may differ because"), rows)


def _where(layer: int | None) -> str:
    return "config" if layer is None else str(layer)

"""`nimbench image lint`: whether a build is pinned, from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.anatomy import Lint, PinFinding
from bench.cli import rebuilding
from bench.cli.tables import show_table
from bench.container import Build
from bench.errors import InputError, LimitError
from bench.images.pins.files import lint_files
from bench.images.pins.grade import GRADES, explain
from bench.scenario.lock import BASE_IMAGE


@click.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--build-arg", "args", multiple=True, metavar="NAME=VALUE", help="What the build is called with.")
@click.option("--arm", metavar="ARM", help="FILE is a scenario: lint what this arm is built from, with its exception.")
@click.option("--rebuild", is_flag=True, help="Also build it twice without the cache, and say what differs.")
@click.option("--no-hadolint", is_flag=True, help="Our own rules alone, also where hadolint is installed.")
@click.option(
    "--fail-below", type=click.Choice(GRADES), metavar="GRADE", help="Exit with 3 where the grade is worse than this."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    files: tuple[Path, ...],
    args: tuple[str, ...],
    arm: str | None,
    rebuild: bool,
    no_hadolint: bool,
    fail_below: str | None,
    as_json: bool,
) -> None:
    """Grade Dockerfiles, requirement files, pyproject.toml and locks from A to F; each finding with its repair.

    A folder stands for all files in it that are known by name. Nothing is asked of a network, and without --rebuild
    nothing is built; that needs a Docker Engine, minutes, and room for two more images.
    """
    given = dict(arg.partition("=")[::2] for arg in args)
    if (arm or rebuild) and len(files) != 1:
        raise InputError("--arm and --rebuild take one word", expected="a scenario, a folder or a Dockerfile")
    scenario, build = rebuilding.scenario_build(str(files[0]), arm) if arm else (None, None)
    if build:
        files, given = _files_of(build), dict(build.args) | given
        given |= {BASE_IMAGE: build.base_image} if build.base_image else {}
    day_zero = build.day_zero if build else None
    lint = lint_files(files, day_zero=day_zero, build_args=given, hadolint=not no_hadolint)
    if not as_json:
        _show(lint)
    report = None
    if rebuild:
        report = rebuilding.rebuilt(build or rebuilding.folder_build(files[0], given), scenario, arm or "image")
    if as_json:
        document = document_of(lint) | ({"rebuild": rebuilding.document_of(report)} if report else {})
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    elif report:
        rebuilding.show(report)
    grade = max(lint.grade, report.grade) if report else lint.grade
    if fail_below is not None and grade > fail_below:
        raise LimitError(f"the grade {grade} is below {fail_below}")


def _files_of(build: Build) -> tuple[Path, ...]:
    """The Dockerfile, and the requirements that become its wheels."""
    dockerfile = Path(build.context, build.dockerfile)
    return (dockerfile, Path(build.wheelhouse)) if build.wheelhouse else (dockerfile,)


def document_of(lint: Lint) -> dict[str, Any]:
    """What other programs read."""
    return {
        "grade": lint.grade,
        "explained": explain(lint.findings),
        "findings": [_finding(one) for one in lint.findings],
        "excused": [_finding(one) for one in lint.excused],
        "files": list(lint.files),
        "hadolint": lint.hadolint,
    }


def _finding(one: PinFinding) -> dict[str, Any]:
    return {
        "rule": str(one.rule),
        "file": one.file,
        "line": one.line,
        "text": one.text,
        "repair": one.repair,
        "weight": one.weight,
    }


def _show(lint: Lint) -> None:
    if lint.findings:
        rows = [(f"{one.file}:{one.line}", str(one.rule), one.text, one.repair) for one in lint.findings]
        show_table(("where", "rule", "what", "repair"), rows)
        click.echo("")
    click.echo(explain(lint.findings))
    for one in lint.excused:
        click.echo(f"excused: {one.file}:{one.line}: {one.text}")
    if lint.hadolint is None:
        click.echo("hadolint was not asked, or is not installed: our own rules stand alone.")

"""`nimbench doctor`: what this machine lacks, each with the repair."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from bench.cli.choices import scenario_choices
from bench.cli.tables import show_table
from bench.doctor import Check, check
from bench.doctor.fact import absent_modules
from bench.errors import InputError, PrerequisiteError
from bench.plan import make_plan
from bench.scenario import load_scenario


@click.command("doctor")
@scenario_choices(None)
@click.option("--results", default="results", type=click.Path(path_type=Path), help="Where run folders would go.")
@click.option("--clean", "cleaning", is_flag=True, help="Remove the containers and networks that crashed runs left.")
@click.option("--volumes", is_flag=True, help="With --clean: our named volumes too, with weights and caches in them.")
@click.option("--images", is_flag=True, help="With --clean: the images that we built or made too.")
@click.option("--dry-run", is_flag=True, help="With --clean: only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    scenario: str | None,
    mode: str | None,
    sets: tuple[str, ...],
    results: Path,
    cleaning: bool,
    volumes: bool,
    images: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Say what this machine lacks: for any run, or for SCENARIO. Starts nothing; exit code 2 when a run would fail.

    With --clean: list what crashed runs left with Docker, all of them or those of SCENARIO, and remove it.
    """
    if cleaning:
        if absent_modules(("docker",)):
            repair = "in nimbench's checkout: pip install '.[run]'"
            raise PrerequisiteError("Docker's package for Python is not installed", repair=repair)
        from bench.cli.cleaning import clean

        clean(scenario, volumes=volumes, images=images, dry_run=dry_run, as_json=as_json)
        return
    if volumes or images or dry_run:
        raise InputError("--volumes, --images and --dry-run say how to clean", repair="add --clean")
    _check(scenario, mode, sets, results, as_json=as_json)


def _check(scenario: str | None, mode: str | None, sets: tuple[str, ...], results: Path, *, as_json: bool) -> None:
    question = load_scenario(scenario, mode=mode, sets=sets) if scenario else None
    checks = check(question, make_plan(question) if question else None, results=results)
    missing = [found for found in checks if found.needed and not found.ok]
    if as_json:
        document = {"scenario": question.name if question else None, "ok": not missing}
        click.echo(json.dumps(document | {"checks": [asdict(found) for found in checks]}, indent=1, ensure_ascii=False))
    else:
        show_table(("", "check", "found"), [(_state(found), found.name, found.found) for found in checks])
        for found in [found for found in checks if not found.ok]:
            click.echo(f"\n{found.name}: {found.found}\n  expected: {found.expected}\n  repair: {found.repair}")
        click.echo(f"\n{_conclusion(len(missing), question.name if question else None)}")
    if missing:
        sys.exit(2)


def _state(found: Check) -> str:
    if found.ok:
        return "ok"
    return "missing" if found.needed else "note"


def _conclusion(missing: int, scenario: str | None) -> str:
    subject = f"`nimbench run {scenario}`" if scenario else "A run on this machine"
    if missing:
        return f"{subject} would fail: {missing} thing{'s' if missing > 1 else ''} missing."
    return f"{subject} has all it needs."

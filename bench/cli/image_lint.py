"""`nimbench image lint`: whether a build is pinned, from its files, or by building it twice."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.anatomy import DayZero, Lint
from bench.cli.choices import require_modules
from bench.cli.tables import show_table
from bench.errors import InputError, LimitError
from bench.images.pins.files import lint_build, lint_files
from bench.images.pins.grade import GRADES, explain

if TYPE_CHECKING:
    from bench.images.rebuild import Difference, RebuildReport

SHOWN = 20  # of what differs between two builds; JSON has all


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--build-arg", "args", multiple=True, metavar="NAME=VALUE", help="What the build is called with.")
@click.option(
    "--context",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that the build is given, where it is not the Dockerfile's own. Nothing outside is read.",
)
@click.option("--no-hadolint", is_flag=True, help="Our own rules alone, also where hadolint is installed.")
@click.option(
    "--day-zero",
    "reason",
    metavar="REASON",
    help="Nightly builds are knowingly used, and why no release will do: day_zero.reason of a scenario. Needs --until.",
)
@click.option("--until", metavar="DATE", help="The last day of --day-zero, e.g. 2026-12-31; after it, it is an error.")
@click.option(
    "--fail-below", type=click.Choice(GRADES), metavar="GRADE", help="Exit with 3 where the grade is worse than this."
)
@click.option(
    "--rebuild",
    "again",
    is_flag=True,
    help="Build twice without the cache and tell what differs: FILE... is SCENARIO ARM, or a folder. Needs Docker.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    files: tuple[str, ...],
    args: tuple[str, ...],
    context: Path | None,
    no_hadolint: bool,
    reason: str | None,
    until: str | None,
    fail_below: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Grade Dockerfiles, requirement files, pyproject.toml and locks from A to F; each finding with its repair.

    A folder stands for all files in it that are known by name. Without --rebuild nothing is built, and nothing is
    asked of a network.
    """
    given = dict(arg.partition("=")[::2] for arg in args)
    day_zero = _day_zero(reason, until)
    report = None
    if again:
        require_modules("docker", "httpx")
        from bench.cli.rebuilding import build_twice, chosen_build  # loads the container engine's SDK

        chosen = chosen_build(files, given)
        build = replace(chosen.build, day_zero=day_zero or chosen.build.day_zero)
        lint = lint_build(build, hadolint=not no_hadolint)
        report = build_twice(chosen)
    else:
        paths = [Path(file) for file in files]
        lint = lint_files(paths, day_zero=day_zero, build_args=given, hadolint=not no_hadolint, context=context)
    if as_json:
        click.echo(json.dumps(document_of(lint, report), indent=1, ensure_ascii=False))
    else:
        _show(lint, report)
    if fail_below is not None and lint.grade > fail_below:
        raise LimitError(f"the grade {lint.grade} is below {fail_below}")


def _day_zero(reason: str | None, until: str | None) -> DayZero | None:
    """The words of a scenario's `day_zero`, both or none."""
    if reason is None and until is None:
        return None
    if not (reason or "").strip() or until is None:
        raise InputError(
            "the exception for nightly builds wants a reason and a last day",
            where="nimbench image lint",
            expected="--day-zero REASON --until DATE",
            got="--until alone" if reason is None else "--day-zero without a reason" if until else "no --until",
            repair="give both, as day_zero.reason and day_zero.until of a scenario",
        )
    try:
        date.fromisoformat(until)
    except ValueError as error:
        raise InputError(
            "no date", where="--until", expected="a day, e.g. 2026-12-31", got=until, repair="year-month-day"
        ) from error
    return DayZero(reason=str(reason).strip(), until=until)


def document_of(lint: Lint, report: RebuildReport | None = None) -> dict[str, Any]:
    """What other programs read."""
    document = {
        "grade": lint.grade,
        "explained": explain(lint.findings),
        "findings": [asdict(one) for one in lint.findings],
        "excused": [asdict(one) for one in lint.excused],
        "files": list(lint.files),
        "hadolint": lint.hadolint,
    }
    return document | ({"rebuild": {**asdict(report), "explained": report.explained}} if report else {})


def _show(lint: Lint, report: RebuildReport | None) -> None:
    if lint.findings:
        rows = [(f"{one.file}:{one.line}", str(one.rule), one.text, one.repair) for one in lint.findings]
        show_table(("where", "rule", "what", "repair"), rows)
        click.echo("")
    for one in lint.excused:
        click.echo(f"Excused: {one.file}:{one.line} {one.rule}: {one.text}")
    click.echo(explain(lint.findings))
    if lint.hadolint is None:
        click.echo("hadolint was not asked, or is not installed: our own rules stand alone.")
    if report is not None:
        _show_rebuild(report)


def _show_rebuild(report: RebuildReport) -> None:
    rows = [(one.path or "(the image)", one.why, one.reason or "it may not") for one in report.differing]
    rows += [(change, "another version", "it may not") for change in report.packages]
    rows += _named(report)
    click.echo("")
    if rows:
        show_table(("built twice", "what differs", "why it may"), rows[:SHOWN])
        click.echo(f"and {len(rows) - SHOWN} more, in --json\n" if len(rows) > SHOWN else "")
    click.echo(f"Built twice: {report.explained}")


def _named(report: RebuildReport) -> list[tuple[str, str, str]]:
    """One row for each reason: there may be hundreds of files of bytecode."""
    reasons: dict[str | None, list[Difference]] = {}
    for one in report.named:
        reasons.setdefault(one.reason, []).append(one)
    return [
        (
            (alike[0].path or "(the image)") + (f" and {len(alike) - 1} more" if len(alike) > 1 else ""),
            alike[0].why,
            reason or "",
        )
        for reason, alike in reasons.items()
    ]

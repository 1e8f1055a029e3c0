"""`nimbench image lint`: whether a build is pinned, from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.anatomy import Lint
from bench.cli.tables import show_table
from bench.errors import LimitError
from bench.images.pins.files import lint_files
from bench.images.pins.grade import GRADES, explain


@click.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--build-arg", "args", multiple=True, metavar="NAME=VALUE", help="What the build is called with.")
@click.option("--no-hadolint", is_flag=True, help="Our own rules alone, also where hadolint is installed.")
@click.option(
    "--fail-below", type=click.Choice(GRADES), metavar="GRADE", help="Exit with 3 where the grade is worse than this."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(
    files: tuple[Path, ...], args: tuple[str, ...], no_hadolint: bool, fail_below: str | None, as_json: bool
) -> None:
    """Grade Dockerfiles, requirement files, pyproject.toml and locks from A to F; each finding with its repair.

    A folder stands for all files in it that are known by name. Nothing is built, and nothing is asked of a network.
    """
    given = dict(arg.partition("=")[::2] for arg in args)
    lint = lint_files(files, build_args=given, hadolint=not no_hadolint)
    if as_json:
        click.echo(json.dumps(document_of(lint), indent=1, ensure_ascii=False))
    else:
        _show(lint)
    if fail_below is not None and lint.grade > fail_below:
        raise LimitError(f"the grade {lint.grade} is below {fail_below}")


def document_of(lint: Lint) -> dict[str, Any]:
    """What other programs read."""
    return {
        "grade": lint.grade,
        "explained": explain(lint.findings),
        "findings": [
            {
                "rule": str(one.rule),
                "file": one.file,
                "line": one.line,
                "text": one.text,
                "repair": one.repair,
                "weight": one.weight,
            }
            for one in lint.findings
        ],
        "files": list(lint.files),
        "hadolint": lint.hadolint,
    }


def _show(lint: Lint) -> None:
    if lint.findings:
        rows = [(f"{one.file}:{one.line}", str(one.rule), one.text, one.repair) for one in lint.findings]
        show_table(("where", "rule", "what", "repair"), rows)
        click.echo("")
    click.echo(explain(lint.findings))
    if lint.hadolint is None:
        click.echo("hadolint was not asked: our own rules stand alone.")

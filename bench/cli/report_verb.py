"""`nimbench report`: page, text and summary of a run again, from its facts alone."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench import analysis
from bench.errors import InputError, PrerequisiteError
from bench.report import read_subject, write_subject
from bench.report.format import safe_text
from bench.report.headline import headline
from bench.report.subject import Subject
from bench.store.layout import RUN_FILE


@click.command("report")
@click.argument("run", required=False)
@click.option("--results", default="results", type=click.Path(path_type=Path), help="Where the run folders are.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json alone.")
def command(run: str | None, results: Path, as_json: bool) -> None:
    """Rebuild the report of RUN: a folder, a run's id, or a scenario's name for its latest run. Default: the latest."""
    subject = read_subject(find_run(run, results))
    page = _written(subject)
    if as_json:
        click.echo(json.dumps(analysis.to_json(subject.summary), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(subject, page)


def _written(subject: Subject) -> Path:
    try:
        return write_subject(subject)
    except OSError as error:
        raise PrerequisiteError(
            "the report cannot be written",
            where=str(subject.data.folder),
            got=error.strerror or str(error),
            repair="free space there, or copy the run folder to a place of your own and report that",
        ) from error


def _show(subject: Subject, page: Path) -> None:
    top = headline(subject)
    click.echo(top.sentence if top.sentence.startswith(top.word) else f"{top.word}. {top.sentence}")
    click.echo(f"next: {top.next}" + (f"\n  {top.command}" if top.command else ""))
    if subject.data.missing:
        click.echo(f"missing, {len(subject.data.missing)} in all:")
        for text in subject.data.missing:
            click.echo(f"  {safe_text(text)}")
    click.echo(page)


def find_run(run: str | None, results: Path) -> Path:
    """The run folder that the user means; InputError with what there is when there is none."""
    if run is not None and (given := _run_folder(Path(run))):
        return given
    runs = sorted((path.parent for path in results.glob(f"*/*/{RUN_FILE}")), key=lambda folder: folder.name)
    named = [folder for folder in runs if run is None or run in (folder.name, folder.parent.name)]
    if named:
        return named[-1]
    there = ", ".join(sorted({folder.parent.name for folder in runs}))
    raise InputError(
        "there is no such run" if run else "there is no run yet",
        where=run or str(results),
        expected=f"a run folder, a run's id or a scenario's name under {results}/",
        got=f"runs of {there}" if there else "no run at all",
        repair="`nimbench list` shows the runs" if runs else "`nimbench run demo` makes one",
    )


def _run_folder(path: Path) -> Path | None:
    folder = path.parent if path.name == RUN_FILE else path
    return folder if (folder / RUN_FILE).is_file() else None

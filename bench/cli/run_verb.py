"""`nimbench run`: measure a scenario and write its page."""

from __future__ import annotations

import click

from bench.errors import PrerequisiteError


@click.command(name="run")
@click.argument("scenario", required=False)
@click.option("--mode", help="Preset of blocks, windows and warm-up: smoke, quick, standard, publish.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Replace one key of the scenario; repeatable.")
@click.option("--results", default="results", show_default=True, metavar="DIR", help="Where run folders go.")
@click.option("--resume", "resumed", metavar="RUN", help="Go on with this run: its folder, or its id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; events as JSON lines on stderr.")
@click.option("--no-report", is_flag=True, help="Measure only; `nimbench report` writes the page later.")
def command(
    scenario: str | None,
    mode: str | None,
    sets: tuple[str, ...],
    results: str,
    resumed: str | None,
    as_json: bool,
    no_report: bool,
) -> None:
    """Measure SCENARIO (default: demo): every arm again and again, in turn, then one page with a verdict."""
    try:
        from bench.cli.running import run_scenario  # the left half: loaded when it is wanted
    except ModuleNotFoundError as error:
        raise PrerequisiteError(
            f"`nimbench run` needs the package {error.name}, which is not installed",
            repair="in nimbench's checkout: pip install '.[run,demo]' (`report` works without)",
        ) from error
    run_scenario(
        scenario, mode=mode, sets=sets, results=results, resumed=resumed, as_json=as_json, with_report=not no_report
    )

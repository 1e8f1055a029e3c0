"""`nimbench list`: scenarios, and the runs under results/."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.cli.tables import show_table
from bench.scenario import find_scenarios

RUN_FILE_BYTES = 16 << 20  # a larger run.json is not ours


@click.command("list")
@click.option("--results", default="results", type=click.Path(path_type=Path), help="Where the run folders are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(results: Path, as_json: bool) -> None:
    """List scenarios with what they ask, and the runs made so far."""
    scenarios, runs = find_scenarios(), find_runs(results)
    if as_json:
        document = {"scenarios": [asdict(found) for found in scenarios], "runs": runs}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    if scenarios:
        show_table(("scenario", "summary"), [(s.name, s.summary or f"! {s.problem}") for s in scenarios])
    else:
        click.echo("no scenarios: there is no folder scenarios/ here")
    click.echo("")
    if runs:
        show_table(("run", "status", "started"), [(r["folder"], r["status"], r["created_utc"] or "") for r in runs])
    else:
        click.echo(f"no runs in {results}/ yet: `nimbench run demo` makes one")


def find_runs(results: Path) -> list[dict[str, Any]]:
    """Every folder with a run.json, oldest first; one that cannot be read is listed as that."""
    return [_glance(path) for path in sorted(results.glob("*/*/run.json"), key=lambda path: path.parent.name)]


def _glance(path: Path) -> dict[str, Any]:
    """Two fields of the run: a list need not load what it only names."""
    facts: dict[str, Any] = {}
    if path.stat().st_size <= RUN_FILE_BYTES:
        try:
            loaded = json.loads(path.read_bytes())
            facts = loaded if isinstance(loaded, dict) else {}
        except ValueError:
            facts = {}  # shown below as what it is: unreadable
    folder = path.parent
    return {
        "scenario": folder.parent.name,
        "run": folder.name,
        "status": str(facts.get("status") or "unreadable"),
        "created_utc": facts.get("created_utc"),
        "folder": str(folder),
        "report": str(folder / "report.html") if (folder / "report.html").is_file() else None,
    }

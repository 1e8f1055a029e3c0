"""What `nimbench run` does: check, prepare, measure, report, and say how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench import doctor
from bench.analysis import summarise
from bench.cli.interrupts import Interrupts
from bench.cli.progress import shown
from bench.engines import get_engine
from bench.errors import InputError, LimitError, PrerequisiteError
from bench.events import Event, Progress
from bench.measure import measure
from bench.model import Plan, Scenario
from bench.plan import make_plan
from bench.probes.hostfacts import host_facts, project_commit, versions
from bench.report import write_report
from bench.resuming import reopen, require_unfinished
from bench.runtimes.containers import container_arms
from bench.runtimes.environments import ensure_environment
from bench.runtimes.models import resolve_model
from bench.scenario import load_scenario
from bench.secrets import REDACTED
from bench.store.reader import RunData, load_run
from bench.store.writer import RunWriter, create_run
from bench.vocabulary import RunStatus

DEFAULT_SCENARIO = "demo"


def run_scenario(
    scenario: str | None,
    *,
    mode: str | None,
    sets: tuple[str, ...],
    results: str,
    resumed: str | None,
    as_json: bool,
    with_report: bool,
) -> None:
    """From what the user typed to the verdict on the screen."""
    interrupts = Interrupts()
    with interrupts.installed():
        job = (
            _resumed_job(resumed, scenario, mode, sets, results) if resumed else _new_job(scenario, mode, sets, results)
        )
        with shown(job.plan, as_json=as_json) as progress:
            writer = job.open(progress)
            report = _write_report if with_report else _no_report
            measure(job.scenario, job.plan, writer, progress=progress, on_block=report, shield=interrupts.shield)
            progress(Event("report", "writing the page"))
            report(writer.folder)
    _tell_end(writer, as_json=as_json, with_report=with_report)


class Job:
    """What is to be measured, checked, with nothing started yet."""

    def __init__(
        self, scenario: Scenario, plan: Plan, results: Path, open_folder: Callable[[dict[str, str]], RunWriter]
    ) -> None:
        self.scenario, self.plan, self._open_folder = scenario, plan, open_folder
        doctor.require(scenario, plan, results=results)

    def open(self, progress: Progress) -> RunWriter:
        """Build what the arms need, then make or reopen the run folder."""
        minutes = self.plan.expected_s / 60
        text = f"{self.scenario.name}: {len(self.plan.launches)} launches, about {minutes:.1f} minutes"
        progress(Event("run", text, {"launches": len(self.plan.launches), "expected_s": self.plan.expected_s}))
        files: dict[str, str] = {}
        for arm in self.scenario.arms:
            ensure_environment(arm.packages, progress)
        for fmt in sorted({get_engine(arm.engine).model_format or "" for arm in self.scenario.arms}):
            progress(Event("run", f"looking at the model's files {fmt}".rstrip()))
            files |= resolve_model(self.scenario.model, self.scenario.folder, fmt or None).files
        writer = self._open_folder(files)
        progress(Event("run", f"results go to {writer.folder}", {"folder": str(writer.folder)}))
        return writer


def _new_job(name: str | None, mode: str | None, sets: tuple[str, ...], results: str) -> Job:
    scenario = load_scenario(name or DEFAULT_SCENARIO, mode=mode, sets=sets)
    plan = make_plan(scenario)
    _require_writable(Path(results))

    def open_folder(files: dict[str, str]) -> RunWriter:
        origin = {"tool": "nimbench", "mode": mode, "sets": list(sets), **project_commit()}
        folder = Path(results).absolute()
        writer = create_run(
            folder,
            scenario,
            plan,
            host=host_facts(containers=bool(container_arms(scenario))),
            versions=versions(),
            origin=origin,
        )
        _hold(writer.folder)
        writer.update(model_files=files)
        return writer

    return Job(scenario, plan, Path(results), open_folder)


def _resumed_job(run: str, name: str | None, mode: str | None, sets: tuple[str, ...], results: str) -> Job:
    if mode or sets:
        raise InputError(
            "a resumed run keeps its own mode and settings", where="--resume", repair="drop --mode and --set"
        )
    data = _find_run(run, results)
    _hold(data.folder)
    require_unfinished(data)
    _require_writable(data.folder)
    origin = data.run.origin
    if any(REDACTED in text for text in origin.get("sets", ())):
        raise InputError(
            "this run was begun with a secret in --set, which no file keeps", where=str(data.folder),
            repair="begin a new run; an arm's `env` in the scenario can hold it",
        )  # fmt: skip
    scenario = load_scenario(
        name or data.run.scenario.name, mode=origin.get("mode"), sets=tuple(origin.get("sets", ()))
    )
    return Job(scenario, data.run.plan, data.folder, lambda files: reopen(data, scenario, files))


def _find_run(run: str, results: str) -> RunData:
    """By path, else by id below the results folder."""
    found = sorted(Path(results).glob(f"*/{run}")) if Path(run).name == run and not Path(run).exists() else []
    return load_run(found[0].absolute() if found else Path(run).absolute())


def _hold(folder: Path) -> None:
    """Until this process ends: two that measure into one folder, on one machine, spoil each other's numbers."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise InputError(
            "this run is still being measured", where=str(folder), got=error.strerror,
            repair="wait for the process that measures it, or end it",
        ) from error  # fmt: skip


def _require_writable(folder: Path) -> None:
    """Fail at second 0, not after the first launch."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
    except OSError as error:
        raise PrerequisiteError(
            "results cannot be written here",
            where=str(folder),
            got=error.strerror,
            repair="give another folder: --results DIR",
        ) from error


def _write_report(folder: Path) -> None:
    write_report(folder)


def _no_report(_folder: Path) -> None:
    """Nothing: --no-report."""


def _tell_end(writer: RunWriter, *, as_json: bool, with_report: bool) -> None:
    """The verdict and where the page is; LimitError when the run is void."""
    folder, status = writer.folder, writer.run.status
    page = folder / "report.html" if with_report else None
    summary = summarise(load_run(folder))
    if as_json:
        decision: dict[str, Any] = {
            "choice": {
                "arms": list(summary.decision.arms),
                "state": summary.decision.state,
                "side": summary.decision.side,
            },
            "sentence": summary.decision.sentence,
            "because": list(summary.decision.because),
        }
        document = {"run": str(folder), "report": str(page) if page else None, "status": status, "decision": decision}
        click.echo(json.dumps(document))
    else:
        click.echo(summary.decision.sentence)
        click.echo(str(page or folder))
    if status is RunStatus.VOID:
        missing = "\n".join(f"  {text}" for text in load_run(folder).missing)
        raise LimitError(f"{folder}: the run is void, launches could not be measured\n{missing}")

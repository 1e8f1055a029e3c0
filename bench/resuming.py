"""Goes on with a run that was killed, interrupted or failed, if it is still the same question on the same machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.clock import utc_now
from bench.errors import InputError
from bench.model import Scenario
from bench.probes.hostfacts import CHECKED, differences, host_facts, versions
from bench.record import Finding
from bench.runtimes.containers import container_arms
from bench.store.reader import RunData
from bench.store.records import redactor_of, scenario_document
from bench.store.writer import RunWriter, open_run
from bench.vocabulary import RunStatus, Severity

_MOST_DIFFERENCES = 5


def require_unfinished(data: RunData) -> None:
    """InputError for a run that has nothing left to do."""
    if data.run.status is RunStatus.COMPLETE:
        raise InputError(
            "this run is complete: there is nothing left to measure",
            where=str(data.folder),
            repair=f"`nimbench report {data.folder}` writes its page again; `nimbench run` begins a new run",
        )


def reopen(data: RunData, scenario: Scenario, model_files: Mapping[str, str]) -> RunWriter:
    """A writer for the rest of the run; InputError when what would be measured is not what was measured."""
    run = data.run
    redactor = redactor_of(scenario)
    host = host_facts(containers=bool(container_arms(scenario)))
    changed = [
        *_changed(scenario_document(run.scenario, redactor), scenario_document(scenario, redactor), "scenario"),
        *differences(run.versions, versions(), sorted({*run.versions, *versions()})),
        *differences(run.host, host, CHECKED),
        *differences(run.model_files, model_files, sorted({*run.model_files, *model_files} if run.model_files else ())),
    ]
    if changed:
        more = len(changed) - _MOST_DIFFERENCES
        raise InputError(
            "this run was begun with something else, and its launches would not be comparable",
            where=str(data.folder),
            got="; ".join(changed[:_MOST_DIFFERENCES]) + (f"; and {more} more" if more > 0 else ""),
            repair="put back what changed, or begin a new run",
        )
    writer = open_run(data.folder, run, redactor=redactor)
    text = f"resumed at {utc_now()} after the run had ended as {run.status}; launches of one block may lie far apart"
    found = Finding(id="resumed", severity=Severity.INFO, text=text)
    writer.update(status=RunStatus.STARTED, ended_utc=None, error=None, findings=(*run.findings, found))
    return writer


def _changed(before: Any, now: Any, name: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _changed(before.get(key), now.get(key), f"{name}.{key}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for position, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _changed(old, new, f"{name}[{position}]")
    elif before != now:
        yield f"{name}: was {before!r}, is {now!r}"

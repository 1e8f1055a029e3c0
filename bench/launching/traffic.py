"""The load on a serving arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.clock import since_s
from bench.engines.base import LaunchSpec
from bench.errors import ArmError
from bench.load.driver import LoadAborted, drive
from bench.load.job import LoadJob, LoadResult
from bench.runtimes.base import Running
from bench.runtimes.models import tokenizer_location
from bench.vocabulary import Mark, Severity

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt


def apply_load(attempt: Attempt, spec: LaunchSpec, running: Running) -> None:
    """Drive the scenario's load; its rows are kept also when the arm dies under it."""
    try:
        job = _job(attempt, running)
        attempt.load = drive(job, attempt.progress, watch=lambda: _watch(attempt, spec, running))
    except ArmError as error:
        if isinstance(error, LoadAborted):
            attempt.load = error.result
        if error.command:
            raise
        raise _with_its_log(attempt, spec, running, error) from error
    finally:
        with attempt.shield():
            _note_client(attempt, attempt.load)
    _watch(attempt, spec, running)


def _with_its_log(attempt: Attempt, spec: LaunchSpec, running: Running, error: ArmError) -> ArmError:
    """What the client met, with what the server said."""
    if running.exited() is not None:
        return attempt.died(spec, running, "under load")
    command = "\n".join(running.paste())
    return ArmError(error.kind, error.text, repair=error.repair, command=command, log_tail=running.log_tail())


def _job(attempt: Attempt, running: Running) -> LoadJob:
    scenario = attempt.scenario
    tokenizer = attempt.prepared.tokenizer or tokenizer_location(scenario.model, scenario.folder)
    started_ns = running.marks_ns().get(Mark.PROCESS_STARTED)
    return LoadJob(
        url=running.url,
        model=scenario.model.id,
        load=scenario.load,
        seed=attempt.planned.seed,
        t0_ns=attempt.t0_ns,
        tokenizer=str(tokenizer) if tokenizer else "server",
        extras=attempt.extras,
        process_start_s=None if started_ns is None else since_s(attempt.t0_ns, started_ns),
    )


def _watch(attempt: Attempt, spec: LaunchSpec, running: Running) -> None:
    """Ends the load when the arm is dead: asking a corpse for an hour teaches nothing."""
    if running.exited() is not None:
        raise attempt.died(spec, running, "under load")


def _note_client(attempt: Attempt, load: LoadResult | None) -> None:
    """The load's own facts; its findings become the launch's."""
    facts = dict(load.client) if load else {}
    for finding in facts.pop("findings", ()):
        severity = Severity(finding["severity"])
        attempt.find(finding["id"], finding["text"], severity=severity, step=finding["next"])
    attempt.client |= facts

"""The load on a serving arm, with the sampler beside it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.clock import since_s
from bench.engines.base import LaunchSpec
from bench.errors import ArmError
from bench.load.driver import LoadAborted, drive
from bench.load.job import LoadJob, LoadResult
from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.probes.telemetry import Telemetry
from bench.runtimes.base import Running
from bench.runtimes.models import tokenizer_location
from bench.vocabulary import Mark, Severity

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt


def apply_load(attempt: Attempt, spec: LaunchSpec, running: Running) -> None:
    """Drive the scenario's load; its rows and the telemetry are kept also when the arm dies under it."""
    telemetry = Telemetry(_sampler_spec(attempt, spec, running))
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
            attempt.telemetry, report = telemetry.stop()
            _note_sampler(attempt, report)
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


def _sampler_spec(attempt: Attempt, spec: LaunchSpec, running: Running) -> SamplerSpec:
    return SamplerSpec(
        t0_ns=attempt.t0_ns,
        interval_s=attempt.scenario.launches.telemetry_interval_s,
        server_pids=tuple(running.pids().values()),
        client_pid=os.getpid(),
        metrics_url=spec.metrics_url,
        metric_names=dict(attempt.engine.metric_names),
        out=str(attempt.launch_dir.scratch / "telemetry.arrows"),
        gpu_uuids=attempt.prepared.gpus,
    )


def _watch(attempt: Attempt, spec: LaunchSpec, running: Running) -> None:
    """Ends the load when the arm is dead: asking a corpse for an hour teaches nothing."""
    if running.exited() is not None:
        raise attempt.died(spec, running, "under load")


def _note_sampler(attempt: Attempt, report: SamplerReport) -> None:
    attempt.client["sampler"] = asdict(report)
    if failed := sum(report.failed.values()):
        last = "; ".join(f"{source}: {text}" for source, text in report.last_error.items())
        text = f"{failed} telemetry samples failed, {sum(report.samples.values())} were taken ({last})"
        attempt.find("telemetry-samples-failed", text)
    for uuid, why in report.gpu_lost.items():
        text = f"the GPU {uuid} was lost while the arm served ({why}): nothing is known of it from then on"
        attempt.find(
            "gpu-lost", text, severity=Severity.VOID, step="look at dmesg for its XID, reset or leave that GPU"
        )
    if report.dropped_lines:
        text = f"{report.dropped_lines} lines of the engine's /metrics broke the format and were left out"
        attempt.find("metrics-lines-dropped", text)


def _note_client(attempt: Attempt, load: LoadResult | None) -> None:
    """The load's own facts; its findings become the launch's."""
    facts = dict(load.client) if load else {}
    for finding in facts.pop("findings", ()):
        severity = Severity(finding["severity"])
        attempt.find(finding["id"], finding["text"], severity=severity, step=finding["next"])
    attempt.client |= facts

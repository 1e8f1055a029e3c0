"""The flow of a run: prepare, calibrate, then every planned launch in order, each written when it is whole."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from itertools import groupby
from pathlib import Path

from bench.calibration import calibrate
from bench.container import ImageRecord, Prepared
from bench.errors import ArmError, Interrupted, LimitError
from bench.events import Event, Progress
from bench.launching import Attempt, Shield
from bench.launching.gates import GpuGate
from bench.model import Plan, PlannedLaunch, Scenario
from bench.preparing import Station, on_cpus, prepare, renewed_image, station_of
from bench.record import Failure, Finding
from bench.runtimes.placement import at_block
from bench.store.writer import RunWriter
from bench.vocabulary import LaunchStatus, RunStatus, Severity

MOST_ATTEMPTS = 2  # of a launch that comes out void: a host that sleeps twice is not fit to measure on


def measure(
    scenario: Scenario,
    plan: Plan,
    writer: RunWriter,
    *,
    progress: Progress,
    on_block: Callable[[Path], None],
    shield: Shield = nullcontext,
) -> None:
    """Fill the run folder; launches that it already holds are kept. The folder says how it ended, whatever happens."""
    try:
        _measure(scenario, plan, writer, progress=progress, on_block=on_block, shield=shield)
    except (Interrupted, KeyboardInterrupt):
        _close(writer, RunStatus.INTERRUPTED, "interrupted", shield)
        raise
    except BaseException as error:
        if isinstance(error, ArmError) and not writer.done_launches():
            writer.run = dataclasses.replace(writer.run, failure=_failure(error))
        _close(writer, RunStatus.FAILED, str(error) or type(error).__name__, shield)
        raise


def _measure(
    scenario: Scenario,
    plan: Plan,
    writer: RunWriter,
    *,
    progress: Progress,
    on_block: Callable[[Path], None],
    shield: Shield,
) -> None:
    with station_of(scenario) as station:
        placed = dataclasses.replace(scenario, registry=station.address)
        prepared = prepare(placed, writer, progress, station)
        with on_cpus(prepared.placement.client_cpus), closing(GpuGate()) as gate:
            _launches(
                placed, plan, prepared, station, writer, gate, progress=progress, on_block=on_block, shield=shield
            )


def _launches(
    scenario: Scenario,
    plan: Plan,
    prepared: Prepared,
    station: Station,
    writer: RunWriter,
    gate: GpuGate,
    *,
    progress: Progress,
    on_block: Callable[[Path], None],
    shield: Shield,
) -> None:
    if not writer.run.calibration:
        progress(Event("calibration", "measuring the instrument's own error"))
        writer.update(calibration=calibrate(scenario.load, progress))
    done = writer.done_launches()
    for block, launches in groupby(plan.launches, key=lambda planned: planned.block):
        wanted = [planned for planned in launches if planned.index not in done]
        placed = at_block(prepared, block)
        for planned in wanted:
            text = f"block {block}, launch {planned.index} of {len(plan.launches)}: {planned.arm}"
            facts = {"index": planned.index, "of": len(plan.launches), "arm": planned.arm, "block": block}
            progress(Event("launch", text, facts))
            with (
                on_cpus(placed.placement.client_cpus),
                renewed_image(scenario, planned.arm, placed, station, writer, progress) as image,
            ):
                good = _launch(scenario, plan, planned, placed, image, writer, progress, shield, gate)
            if good:
                done |= {planned.index}
            time.sleep(scenario.launches.cooldown_s)
        if wanted:
            progress(Event("block", f"block {block} is done", {"block": block, "done": len(done)}))
            _report(writer, on_block, progress)
    complete = all(planned.index in done for planned in plan.launches)
    _close(writer, RunStatus.COMPLETE if complete else RunStatus.VOID, None, shield)


def _launch(
    scenario: Scenario,
    plan: Plan,
    planned: PlannedLaunch,
    prepared: Prepared,
    image: ImageRecord | None,
    writer: RunWriter,
    progress: Progress,
    shield: Shield,
    gate: GpuGate,
) -> bool:
    """Measure one launch, again when it came out void; whether it is done. LimitError where none can begin."""
    closed: str | None = None
    for left in reversed(range(MOST_ATTEMPTS)):
        launch_dir = writer.begin_launch(planned, writer.next_attempt(planned))
        attempt = Attempt(scenario, planned, plan, launch_dir, progress, shield, prepared, image)
        status, failure = LaunchStatus.INTERRUPTED, None
        try:
            gpus = () if attempt.arm.url else prepared.placement.gpus  # a server that runs holds its GPU
            attempt.void_reason = closed = gate.wait(gpus, progress, attempt.find)
            if closed is None:
                attempt.run()
                spoilt = None if planned.burn_in else attempt.spoilt()
                if spoilt and gate.may_repeat(gpus, spoilt[1], is_last=not left):
                    attempt.void_reason = f"at {spoilt[0]} {spoilt[1]}"
            status = LaunchStatus.DONE
        except ArmError as error:
            status, failure = LaunchStatus.FAILED, _failure(error)
            attempt.command = attempt.command or tuple(error.command.splitlines())
            raise
        finally:
            with shield():
                launch = attempt.record(status, failure)
                load = attempt.load
                requests, chunks = (load.requests, load.chunks) if load else (None, None)
                writer.finish_launch(launch_dir, launch, requests, chunks, attempt.telemetry)
        if launch.status is LaunchStatus.DONE:
            return True
        progress(Event("warning", f"launch {planned.index} is void: {launch.void_reason}"))
    if closed is not None:  # the others would wait as long for nothing
        raise LimitError(
            f"no launch can begin: {closed}\n"
            f"  repair: see to it that the GPU is free, then `nimbench run --resume {writer.folder.name}`"
        )
    return False


def _failure(error: ArmError) -> Failure:
    return Failure(kind=error.kind, text=error.text, repair=error.repair, log_tail=error.log_tail)


def _report(writer: RunWriter, on_block: Callable[[Path], None], progress: Progress) -> None:
    """A provisional page; one that fails is told to the reader of the next one, and costs no measurement."""
    try:
        on_block(writer.folder)
    except (Interrupted, LimitError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the page, the measurement goes on
        text = f"the provisional report could not be written ({type(error).__name__}: {error})"
        progress(Event("warning", text, {"id": "report-failed"}))
        if all(finding.id != "report-failed" for finding in writer.run.findings):
            step = f"nimbench report {writer.folder.name}"
            writer.add_finding(Finding(id="report-failed", severity=Severity.WARN, text=text, next=step))


def _close(writer: RunWriter, status: RunStatus, error: str | None, shield: Shield) -> None:
    with shield():
        try:
            writer.close(status, error=error)
        except LimitError:
            if error is None:
                raise  # else the disk is full, which the error under way says already

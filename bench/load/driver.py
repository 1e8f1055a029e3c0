"""Drive a load: every stage of every round over the load processes, in step, into rows and instants."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.clock import NS_PER_S, now_ns, since_s
from bench.errors import ArmError, InputError
from bench.events import Event, Progress
from bench.load.gates import length_findings
from bench.load.gather import gather_stage
from bench.load.job import LoadJob, LoadResult
from bench.load.prepare import prepare_shape, worker_specs
from bench.load.rows import Span
from bench.load.workers import Fleet, StageAborted
from bench.model import Stage
from bench.record import StageWindow
from bench.store.tables import REQUESTS
from bench.vocabulary import FailureKind

_LEAD_NS = 20_000_000  # a command reaches every process before the instant that it names


class LoadAborted(ArmError):
    """Every request failed; `result` keeps the rows until then."""

    def __init__(self, text: str, result: LoadResult) -> None:
        super().__init__(FailureKind.CRASHED, text, repair="the server's log says why it stopped answering")
        self.result = result


@dataclass(slots=True)
class _Gathered:
    stages: list[StageWindow] = field(default_factory=list)
    requests: list[pa.Table] = field(default_factory=list)
    chunks: list[pa.Table] = field(default_factory=list)
    client: dict[str, Any] = field(default_factory=dict)
    rows: int = 0


def drive(job: LoadJob, progress: Progress, *, watch: Callable[[], None] = lambda: None) -> LoadResult:
    """Run the whole load. Failed requests are rows; raises LoadAborted when the server answers no request any more.

    `watch` is called twice a second while we wait; an ArmError of its own ends the load too, rows kept.
    """
    if any(stage.concurrency is None for stage in job.load.stages):
        raise InputError("an open-loop stage cannot be driven yet", where="load.stages", expected="concurrency")
    shape, has_usage = prepare_shape(job)
    gathered = _Gathered(client={"cpu_s": {}, "cpu_to_rows_s": {}, "locust_requests": {}, "findings": []})
    gathered.client["prompt_overhead_tokens"] = shape.overhead
    try:
        reason = _drive_all(job, worker_specs(job, shape), gathered, progress, watch)
    except StageAborted as error:  # while the load processes got ready: there are no rows of this stage
        reason = str(error)
    result = _result(job, gathered, has_usage)
    if reason:
        raise LoadAborted(reason, result)
    return result


def _drive_all(
    job: LoadJob,
    specs: list[Mapping[str, Any]],
    gathered: _Gathered,
    progress: Progress,
    watch: Callable[[], None],
) -> str | None:
    """Every stage of every round, in order; the reason where one was given up."""
    reason = None
    with (
        tempfile.TemporaryDirectory(prefix="nimbench-load-") as folder,
        Fleet(specs, Path(folder), watch) as fleet,
    ):
        gathered.client["pids"] = fleet.pids
        progress(Event("stage", f"{len(fleet.pids)} load processes", {"client_pids": fleet.pids}))
        for round_ in range(job.load.rounds):
            for stage in job.load.stages:
                reason = reason or _run_stage(fleet, job, stage, round_, Path(folder), gathered, progress)
    return reason


def _run_stage(
    fleet: Fleet, job: LoadJob, stage: Stage, round_: int, folder: Path, gathered: _Gathered, progress: Progress
) -> str | None:
    """One stage by the protocol ramp, warm-up, window, drain; the reason where it was given up."""
    load = job.load
    concurrency = min(stage.concurrency or 1, stage.requests or 1 << 30)
    progress(Event("stage", f"{stage.id}: {concurrency} streams", {"stage": stage.id, "round": round_}))
    fleet.tell(
        "stage", stage=stage.id, round=round_, concurrency=concurrency, ramp_s=load.ramp_s,
        requests=stage.requests, warmup_requests=load.warmup_requests,
    )  # fmt: skip
    fleet.wait("armed")
    start_ns = now_ns() + _LEAD_NS
    instants = {"start": start_ns, "ramped": start_ns}
    reason = None
    try:
        _follow(fleet, job, stage, instants)
    except StageAborted as error:
        reason = f"stage {stage.id}: {error}"
    fleet.tell("stop", cut=reason is not None)
    drained = fleet.wait("drained", ending=True)
    span = _span(stage, instants, drained)
    instants["drained"] = now_ns()
    _collect(fleet, job, stage, round_, concurrency, folder, span, instants, gathered)
    return reason


def _follow(fleet: Fleet, job: LoadJob, stage: Stage, instants: dict[str, int]) -> None:
    """Lead the processes to the point where no more requests need to start."""
    load = job.load
    counted = stage.requests is not None
    warms = bool(load.warmup_requests or load.warmup_s) if counted else True
    if not warms:
        fleet.tell("window", start_ns=instants["start"], end_ns=None)
    fleet.tell("go", start_ns=instants["start"])
    fleet.wait("ramped")
    instants["ramped"] = now_ns()
    if warms:
        fleet.wait("warm")
        rest_s = load.warmup_s - since_s(instants["ramped"], now_ns())
        if rest_s > 0:
            fleet.wait("drained", timeout_s=rest_s)
        instants["window_start"] = now_ns() + _LEAD_NS
        end_ns = None if counted else instants["window_start"] + int((stage.duration_s or 0) * NS_PER_S)
        if end_ns is not None:
            instants["window_end"] = end_ns
        fleet.tell("window", start_ns=instants["window_start"], end_ns=end_ns)
    fleet.wait("drained" if counted else "window_done")


def _span(stage: Stage, instants: dict[str, int], drained: list[dict[str, Any]]) -> Span:
    """The measured part: as told, or by a count from the first start to the last end."""
    last_ns = now_ns()
    if stage.requests is None:
        start_ns = instants.get("window_start", last_ns)
        return Span(start_ns, min(instants.get("window_end", last_ns), last_ns) if start_ns < last_ns else start_ns)
    firsts = [told["first_start_ns"] for told in drained if told["first_start_ns"] is not None]
    lasts = [told["last_end_ns"] for told in drained if told["last_end_ns"] is not None]
    return Span(min(firsts, default=last_ns), max(lasts, default=last_ns), counted=True)


def _collect(
    fleet: Fleet, job: LoadJob, stage: Stage, round_: int, concurrency: int, folder: Path, span: Span,
    instants: dict[str, int], gathered: _Gathered,
) -> None:  # fmt: skip
    files = [folder / f"rows-{number}" for number in range(len(fleet.pids))]
    document = {"start_ns": span.start_ns, "end_ns": span.end_ns, "counted": span.counted}
    fleet.tell_each("rows", [{"span": document, "file": str(file)} for file in files])
    told = fleet.wait("rows", ending=True)
    found = gather_stage(
        files, first_seq=gathered.rows, ramped_s=since_s(job.t0_ns, instants["ramped"]), streams=concurrency
    )
    gathered.rows += found.requests.num_rows
    gathered.requests.append(found.requests)
    if found.chunks is not None:
        gathered.chunks.append(found.chunks)
    name = f"{stage.id}/{round_}"
    client = gathered.client
    client["cpu_s"][name] = sum(row["window_cpu_s"] for row in told)
    client["cpu_to_rows_s"][name] = sum(row["total_cpu_s"] for row in told)
    for fact, worst in (("read_lag_p99_s", -1), ("kernel_stamped_ratio", 0)):  # of the worst process
        known = sorted(row[fact] for row in told if row[fact] is not None)
        client.setdefault(fact, {})[name] = known[worst] if known else None
    client["locust_requests"][name] = sum(row["locust_requests"] for row in told)
    window_start_s = since_s(job.t0_ns, span.start_ns)
    gathered.stages.append(
        StageWindow(
            stage=stage.id,
            round=round_,
            start_s=since_s(job.t0_ns, instants["start"]),
            in_flight_reached_s=found.in_flight_reached_s,
            warm_end_s=window_start_s,
            window_start_s=window_start_s,
            window_end_s=since_s(job.t0_ns, span.end_ns),
            drain_end_s=since_s(job.t0_ns, instants["drained"]),
            in_flight_reached=found.in_flight_reached,
            server_age_s=None if job.process_start_s is None else window_start_s - job.process_start_s,
        )
    )


def _result(job: LoadJob, gathered: _Gathered, has_usage: bool) -> LoadResult:
    requests = pa.concat_tables(gathered.requests) if gathered.requests else REQUESTS.empty_table()
    gathered.client["findings"] += length_findings(requests, job.load, has_usage=has_usage)
    return LoadResult(
        stages=tuple(gathered.stages),
        requests=requests,
        chunks=pa.concat_tables(gathered.chunks) if gathered.chunks else None,
        client=gathered.client,
    )

"""The instrument's own error on this machine: the same client against a server that logs when it really wrote."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow.compute as pc

from bench.clock import now_ns
from bench.errors import ArmError
from bench.events import Event, Progress, silent
from bench.load.driver import drive
from bench.load.job import LoadJob, LoadResult
from bench.model import Load, Stage
from bench.vocabulary import FailureKind, RequestStatus
from bench.wire.request import get_once

FIRST_MS, GAP_MS = 20.0, 10.0
_STAGE_S = 2.5  # how long one stage takes about
_MOST_TOKENS = 248  # of a request: it has ended within _STAGE_S
_SEED = 1

Errors: TypeAlias = Sequence[float] | np.ndarray[Any, Any]


@contextmanager
def reference_server(*arguments: str) -> Iterator[str]:
    """The URL of a reference server in its own process."""
    command = [sys.executable, "-P", "-m", "bench.load.reference", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise ArmError(FailureKind.CRASHED, "the reference server did not start", repair=" ".join(command))
            yield f"http://127.0.0.1:{json.loads(line)['port']}"
        finally:
            process.kill()


def calibrate(load: Load, progress: Progress = silent) -> tuple[Mapping[str, Any], ...]:
    """A row per stage of `load`: errors of time to first token and of gaps between chunks, and the client's CPU.

    The error of a time is what the client says, less what the server's log says on the same clock. Percentiles are
    taken from above (an order statistic that was really met): of fewer than a hundred requests p99 is the worst one,
    and even that one is below the true p99 where chance spared them.
    """
    tokens = min(load.output_tokens, _MOST_TOKENS)
    request_s = (FIRST_MS + tokens * GAP_MS) / 1e3
    turns = max(1, math.floor(_STAGE_S / request_s))
    levels = sorted({stage.concurrency for stage in load.stages if stage.concurrency})
    if not levels:
        return ()  # an open loop has no level of concurrency to repeat
    short = replace(
        load,
        stages=tuple(Stage(id=f"c{level}", concurrency=level, requests=level * turns) for level in levels),
        output_tokens=tokens, rounds=1, warmup_s=0.0, warmup_requests=0, timeout_s=30.0,
        ramp_s=min(load.ramp_s or request_s / 4, 0.5),  # streams in step would queue at the reference server
    )  # fmt: skip
    with reference_server("--first-ms", str(FIRST_MS), "--gap-ms", str(GAP_MS)) as url:
        progress(Event("calibration", f"the client against the reference server, {len(levels)} levels"))
        t0_ns = now_ns()
        result = drive(LoadJob(url=url, model="reference", load=short, seed=_SEED, t0_ns=t0_ns), progress)
        logs = {log["id"]: log["writes_ns"] for log in get_once(url, "/writes", timeout_s=60.0).json()["requests"]}
    rows = {level: _row(result, f"c{level}", logs, t0_ns) for level in levels}
    return tuple(
        {"stage": stage.id, "concurrency": stage.concurrency, "output_tokens": tokens, **rows[stage.concurrency]}
        for stage in load.stages
        if stage.concurrency
    )


def _row(result: LoadResult, stage: str, logs: Mapping[str, Sequence[int]], t0_ns: int) -> dict[str, Any]:
    """Client against log, over every request of one stage."""
    assert result.chunks is not None
    requests = result.requests.filter(pc.equal(result.requests["stage"], stage))
    offsets = dict(zip(result.chunks["seq"].to_pylist(), result.chunks["offsets_us"].to_pylist(), strict=True))
    first_errors_s, gap_errors_s, arrival_errors_s = [], [np.zeros(0)], [np.zeros(0)]
    for row in requests.select(["seq", "prompt_id", "start_s", "first_token_s", "status"]).to_pylist():
        writes_ns = logs.get(f"nimbench-{_SEED}-{row['prompt_id']}", ())  # none where it never reached the server
        wrote_s = (np.asarray(writes_ns, dtype=np.int64) - t0_ns) * 1e-9
        came_s = row["start_s"] + np.asarray(offsets[row["seq"]]) * 1e-6
        if row["status"] != RequestStatus.OK or not len(wrote_s) or len(wrote_s) != len(came_s):
            continue  # counted below as a failure: without all chunks there is nothing to compare
        first_errors_s.append(row["first_token_s"] - wrote_s[0])
        gap_errors_s.append(np.abs(np.diff(came_s) - np.diff(wrote_s)))
        arrival_errors_s.append(came_s - wrote_s)
    errors: dict[str, Errors] = {"ttft_error": first_errors_s, "itl_error": np.concatenate(gap_errors_s)}
    return {
        **{f"{name}_p{p}_s": _bound(found, p) for name, found in errors.items() for p in (50, 99)},
        "arrival_error_p99_s": _bound(np.concatenate(arrival_errors_s), 99),
        "client_cpu_s": result.client["cpu_s"][f"{stage}/0"],
        "client_cpu_to_rows_s": result.client["cpu_to_rows_s"][f"{stage}/0"],
        "requests": requests.num_rows,
        "failed": requests.num_rows - len(first_errors_s),
        "chunks": sum(len(offsets[seq]) for seq in requests["seq"].to_pylist()),
    }


def _bound(errors_s: Errors, percent: int) -> float | None:
    return float(np.percentile(errors_s, percent, method="higher")) if len(errors_s) else None

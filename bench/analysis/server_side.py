"""What the servers' own counters say of each stage, beside what the client saw: a check, never the result.

Counters are differenced between the last sample before the window and the last one in it, so they cover the window up
to the distance of two samples. A client sees more than its server does: the way there and back, every proxy between
them, and the wait to be read. A server whose mean lies above the client's counts otherwise than it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from bench.analysis.numbers import Numbers
from bench.analysis.rows import StageRows
from bench.record import Finding
from bench.store.reader import LaunchData
from bench.vocabulary import Severity

_ABOVE = 1.05  # times the client's mean: by more the two do not mean the same thing
_LEAST_REQUESTS = 20  # fewer leave the edges of the window too much weight
_MOST_EDGE_SHARE = 0.25  # of the window may lie between its ends and the samples next to them


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """One arm at one stage, over its launches that count; None where no launch says it."""

    arm: str
    stage: str
    client_ttft_s: float | None  # mean over the good requests that started in the windows
    server_ttft_s: float | None  # mean over the first tokens that the server counted in the windows
    running: float | None  # mean of the samples
    waiting: float | None
    kv_peak_ratio: float | None  # largest sample
    preemptions: float | None  # sum
    prefix_hit_ratio: float | None  # of the tokens looked up; None of an engine that does not count these


def server_sides(numbers: Numbers) -> tuple[ServerSide, ...]:
    """Every arm at every stage at which a server said anything."""
    found = (_of(numbers, arm, stage.id, passes) for arm, stage, passes in numbers.each_stage())
    return tuple(one for one in found if one is not None)


def server_above_client(numbers: Numbers) -> Iterator[Finding]:
    """A server that counts slower first tokens than its client got them."""
    for one in server_sides(numbers):
        if one.server_ttft_s is None or not one.client_ttft_s or one.server_ttft_s <= _ABOVE * one.client_ttft_s:
            continue
        yield Finding(
            id="server-slower-than-client",
            severity=Severity.WARN,
            at={"stage": one.stage},
            arm=one.arm,
            text=f"The server counted a mean TTFT of {one.server_ttft_s * 1e3:.3g} ms, the client saw "
            f"{one.client_ttft_s * 1e3:.3g} ms: one of them counts other requests, or from another moment.",
            next="Look whether others used the server, and what its metric means in this version.",
        )


def _of(numbers: Numbers, arm: str, stage: str, passes: list[StageRows]) -> ServerSide | None:
    windows = [
        (one, rows)
        for one in numbers.of_arm(arm)
        for rows in numbers.passes.get(one.launch.index, ())
        if rows.window.stage == stage and _has_engine_rows(one)
    ]
    if not windows:
        return None
    grown = {name: _grown(windows, name) for name in _COUNTERS}
    queries, hits = grown["prefix_cache_queries_total"], grown["prefix_cache_hits_total"]
    count, total_s = grown["ttft_s_count"], grown["ttft_s_sum"]
    enough = count is not None and count >= _LEAST_REQUESTS
    client = pd.concat([rows.latencies_s["ttft"] for rows in passes]).dropna()
    return ServerSide(
        arm=arm,
        stage=stage,
        client_ttft_s=float(client.mean()) if len(client) else None,
        server_ttft_s=total_s / count if enough and count and total_s is not None else None,
        running=_over(windows, "requests_running", fmean),
        waiting=_over(windows, "requests_waiting", fmean),
        kv_peak_ratio=_over(windows, "kv_cache_usage_ratio", max),
        preemptions=grown["preemptions_total"],
        prefix_hit_ratio=hits / queries if hits is not None and queries else None,
    )


CHECKS = (server_above_client,)
_COUNTERS = (
    *("ttft_s_sum", "ttft_s_count", "preemptions_total"),
    *("prefix_cache_queries_total", "prefix_cache_hits_total"),
)
Windows = list[tuple[LaunchData, StageRows]]


def _has_engine_rows(one: LaunchData) -> bool:
    return one.telemetry is not None and bool((one.telemetry["source"] == "engine").any())


def _series(one: LaunchData, metric: str) -> pd.DataFrame:
    assert one.telemetry is not None  # asked only of launches with rows of the engine
    rows = one.telemetry
    return rows[(rows["source"] == "engine") & (rows["metric"] == metric)].sort_values("t_s")


def _grown(windows: Windows, metric: str) -> float | None:
    """Growth of a counter, summed over the windows; None where a window has no samples, or the counter fell."""
    total = 0.0
    for one, rows in windows:
        series = _series(one, metric)
        start_s, end_s = rows.window.window_start_s, rows.window.window_end_s
        before, until = series[series["t_s"] <= start_s], series[series["t_s"] <= end_s]
        if before.empty or len(until) == len(before):
            return None
        edges_s = (start_s - before["t_s"].iloc[-1]) + (end_s - until["t_s"].iloc[-1])
        growth = float(until["value"].iloc[-1] - before["value"].iloc[-1])
        if growth < 0 or edges_s > _MOST_EDGE_SHARE * rows.length_s:
            return None
        total += growth
    return total


def _over(windows: Windows, metric: str, reduce: Callable[[list[float]], float]) -> float | None:
    values: list[float] = []
    for one, rows in windows:
        series = _series(one, metric)
        inside = series[series["t_s"].between(rows.window.window_start_s, rows.window.window_end_s)]
        values += inside["value"].tolist()
    return reduce(values) if values else None

"""What the servers' own counters say of each stage, beside what the client saw: a check, never the result.

A client sees more than its server does: the way there and back, every proxy between them, and the wait to be read. A
server whose mean or quantile lies above the client's counts otherwise than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from bench.analysis.counters import (
    Bracket,
    CountedWindow,
    Series,
    begun_at_zero,
    engine_series,
    grown,
    over,
    quantile_bracket,
    shown_by_engine,
)
from bench.analysis.effective import Config, engine_version, text_of
from bench.analysis.numbers import Numbers
from bench.analysis.rows import PERCENTILE_ROWS, percentile
from bench.engines import ENGINES
from bench.engines.base import Version
from bench.engines.nim_facts import TENSORRT, TENSORRT_LAZY, TENSORRT_LOOKUPS
from bench.record import Finding
from bench.vocabulary import Severity

_ABOVE = 1.05  # times the client's number: by more the two do not mean the same thing
_LEAST_REQUESTS = 20  # fewer leave the edges of the window too much weight
_LOOKUPS = {name: engine.prefix_lookups for name, engine in ENGINES.items()} | {TENSORRT: TENSORRT_LOOKUPS}
_LAZY = {name: engine.lazy_counters for name, engine in ENGINES.items()} | {TENSORRT: TENSORRT_LAZY}
_HITS = ("prefix_cache_hits_total", "external_prefix_cache_hits_total")  # the latter where the engine has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """One arm at one stage, over its launches that count; None where no launch says it."""

    arm: str
    stage: str
    client_ttft_s: float | None  # mean over the good requests that started in the windows
    server_ttft_s: float | None  # mean over the first tokens that the server counted in the windows
    client_p50_s: float | None  # of the TTFT, over the same requests
    client_p90_s: float | None
    server_p50: Bracket | None  # of the TTFT, from the growth of the server's histogram
    server_p90: Bracket | None
    running: float | None  # mean of the samples
    waiting: float | None
    kv_peak_ratio: float | None  # largest sample
    preemptions: float | None  # sum
    prefix_hit_ratio: float | None  # of the tokens looked up; None of an engine that does not count these


def server_sides(numbers: Numbers) -> tuple[ServerSide, ...]:
    """Every arm at every stage at which a server said anything."""
    lazy = {arm.name: _lazy_counters(numbers, arm.name) for arm in numbers.scenario.arms}
    series = {one.launch.index: begun_at_zero(engine_series(one), lazy[one.launch.arm]) for one in numbers.kept}
    found = (_of(numbers, series, arm, stage.id) for arm, stage, _ in numbers.each_stage())
    return tuple(one for one in found if one is not None)


def server_above_client(numbers: Numbers) -> Iterator[Finding]:
    """A server that counts slower first tokens than its client got them."""
    for one in server_sides(numbers):
        if _mean_is_above(one):
            seen = f"a mean TTFT of {_ms(one.server_ttft_s)}, the client saw {_ms(one.client_ttft_s)}"
            yield _slower(one, "server-slower-than-client", seen)
            continue
        pairs = ((50, one.client_p50_s, one.server_p50), (90, one.client_p90_s, one.server_p90))
        for p, client_s, server in pairs:
            if client_s is not None and server is not None and server.low_s > _ABOVE * client_s:
                seen = f"a TTFT p{p} of more than {_ms(server.low_s)}, the client saw {_ms(client_s)}"
                yield _slower(one, "server-quantile-above-client", seen)
                break


def _mean_is_above(one: ServerSide) -> bool:
    return bool(one.client_ttft_s) and (one.server_ttft_s or 0.0) > _ABOVE * (one.client_ttft_s or 0.0)


def _slower(one: ServerSide, name: str, seen: str) -> Finding:
    return Finding(
        id=name,
        severity=Severity.WARN,
        at={"stage": one.stage},
        arm=one.arm,
        text=f"The server counted {seen}: one of them counts other requests, or from another moment.",
        next="Look whether others used the server, and what its metric means in this version.",
    )


def _ms(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1e3:.3g} ms"


def _of(numbers: Numbers, series: dict[int, Series], arm: str, stage: str) -> ServerSide | None:
    """Server and client over the same passes: those that count, of launches whose engine said anything."""
    windows = [
        CountedWindow(series[one.launch.index], rows)
        for one in numbers.of_arm(arm)
        for rows in numbers.passes.get(one.launch.index, ())
        if rows.window.stage == stage and rows.void_reason is None and series[one.launch.index]
    ]
    if not windows:
        return None
    count, total_s = grown(windows, "ttft_s_count"), grown(windows, "ttft_s_sum")
    enough = count is not None and count >= _LEAST_REQUESTS
    client = pd.concat([one.rows.latencies_s["ttft"] for one in windows]).dropna()
    return ServerSide(
        arm=arm,
        stage=stage,
        client_ttft_s=float(client.mean()) if len(client) else None,
        server_ttft_s=total_s / count if enough and count and total_s is not None else None,
        client_p50_s=percentile(client, 50),
        client_p90_s=percentile(client, 90),
        server_p50=quantile_bracket(windows, "ttft_s", 50, least=max(_LEAST_REQUESTS, PERCENTILE_ROWS[50])),
        server_p90=quantile_bracket(windows, "ttft_s", 90, least=max(_LEAST_REQUESTS, PERCENTILE_ROWS[90])),
        running=over(windows, "requests_running", fmean),
        waiting=over(windows, "requests_waiting", fmean),
        kv_peak_ratio=over(windows, "kv_cache_usage_ratio", max),
        preemptions=grown(windows, "preemptions_total"),
        prefix_hit_ratio=_prefix_hit_ratio(numbers, arm, windows),
    )


def _prefix_hit_ratio(numbers: Numbers, arm: str, windows: list[CountedWindow]) -> float | None:
    """Hits over the tokens looked up, as the engine inside counts these; None where it does not.

    More hits than look-ups is no ratio: SGLang counts the hits of a request again that it put back and began anew.
    """
    own, elsewhere = _HITS
    has_more = any(elsewhere in one.series for one in windows)
    hits = _grown_together(windows, _HITS if has_more else (own,))
    queries = grown(windows, "prefix_cache_queries_total")
    if queries is None:
        queries = _grown_together(windows, _lookups(numbers, arm))
    return hits / queries if hits is not None and queries and hits <= queries else None


def _grown_together(windows: list[CountedWindow], metrics: tuple[str, ...]) -> float | None:
    parts = [grown(windows, name) for name in metrics]
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _lookups(numbers: Numbers, arm: str) -> tuple[str, ...]:
    """The counters that make up the look-ups of the arm's engine; none where its launches have several engines."""
    return _LOOKUPS.get(_engine_inside(numbers, arm), ())


def _lazy_counters(numbers: Numbers, arm: str) -> tuple[str, ...]:
    """Counters that the arm's engine shows from their first event on, and has: its version or any launch says so."""
    declared = _LAZY.get(_engine_inside(numbers, arm), {})
    launches = [one for one in numbers.data.launches if one.launch.arm == arm] if declared else []
    shown = {metric for one in launches for metric in shown_by_engine(one)}
    versions = [_version(one.launch.effective_config) for one in numbers.of_arm(arm)]
    return tuple(
        name
        for name, since in declared.items()
        if name in shown or (since is not None and all(known >= since for known in versions))
    )


def _version(config: Config) -> Version:
    """(0, 5, 10) of `0.5.10.post1`; (), which is older than any, where the engine does not say it."""
    numbers = re.match(r"\d+(?:\.\d+)*", engine_version(config) or "")
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _engine_inside(numbers: Numbers, arm: str) -> str:
    """The engine that counts, a NIM's own one; "" where the arm's launches have several."""
    engine = next(one.engine for one in numbers.scenario.arms if one.name == arm)
    inside = {text_of("engine_inside")(one.launch.effective_config) or engine for one in numbers.of_arm(arm)}
    return inside.pop() if len(inside) == 1 else ""


CHECKS = (server_above_client,)

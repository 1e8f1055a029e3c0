"""Checks of the load: whether each window measured what it was meant to, and the arms the same work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator

import pandas as pd

from bench.analysis.comparability import MOST_WORK_RATIO, mean_tokens
from bench.analysis.numbers import Numbers
from bench.analysis.rows import StageRows, e2e_s
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import RequestStatus, Severity

ERRORS_GATE = 0.001  # a run with a larger share of failed requests is no valid result
WARMUP_CHANGE = 1.10  # first against second half of the windows
HALF_LEAST_ROWS = 10
LITTLE_GAP = 0.05
LITTLE_LEAST_ROWS = 30


def tokens_per_s_by_little(concurrency: float, ttft_s: float, tpot_s: float, output_tokens: float) -> float:
    """What a closed loop of always busy streams must give: N x tokens / latency (Little's law)."""
    return concurrency * output_tokens / (ttft_s + tpot_s * (output_tokens - 1))


def errors(numbers: Numbers) -> Iterator[Finding]:
    """Requests that failed in the windows."""
    for arm, stage, passes in numbers.each_stage():
        rows = pd.concat([one.measured for one in passes])
        failed = rows[rows["status"] == RequestStatus.ERROR]
        if len(failed):
            kinds = ", ".join(f"{n} {kind}" for kind, n in failed["error_kind"].value_counts().items())
            share = len(failed) / len(rows)
            yield Finding(
                id="errors-in-window",
                severity=Severity.WARN if share > ERRORS_GATE else Severity.INFO,
                at={"stage": stage.id},
                arm=arm,
                text=f"{len(failed)} of {len(rows)} requests failed ({percent(share)}: {kinds}). Latencies are of the "
                "others: a server that sheds load can look fast.",
                next="Read the server log around these times; lower the load or raise the server's limits.",
            )


def incomplete(numbers: Numbers) -> Iterator[Finding]:
    """Requests that the suite cut: the longest ones, so the tail is censored."""
    for arm, stage, passes in numbers.each_stage():
        rows = pd.concat([one.measured for one in passes])
        cut = int((rows["status"] == RequestStatus.INCOMPLETE).sum())
        if cut:
            yield Finding(
                id="requests-cut",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"The suite cut {cut} of {len(rows)} requests of the windows; the longest are cut first, so the "
                "high percentiles are too low.",
                next="Raise load.timeout_s or shorten the answers.",
            )


def in_flight(numbers: Numbers) -> Iterator[Finding]:
    """A closed loop that never held its N streams measured another load than it says."""
    for arm, stage, passes in numbers.each_stage():
        if stage.concurrency is None:
            continue
        short = [one.window.in_flight_reached for one in passes if one.window.in_flight_reached < stage.concurrency]
        if short:
            yield Finding(
                id="in-flight-not-reached",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"In {len(short)} of {len(passes)} windows at most {min(short)} of {stage.concurrency} requests "
                "were in flight at once: connections refused, or answers too short for the client.",
                next="Look for connection errors; use longer answers or more load.workers.",
            )


def output_lengths(numbers: Numbers) -> Iterator[Finding]:
    """Answers of another length than asked."""
    for arm, stage, passes in numbers.each_stage():
        ok = pd.concat([one.ok for one in passes])
        known = ok.dropna(subset=["output_tokens", "output_tokens_asked"])
        off = known[known["output_tokens"] != known["output_tokens_asked"]]
        if len(off):
            yield Finding(
                id="output-tokens-not-as-asked",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"{len(off)} of {len(known)} answers are not {known['output_tokens_asked'].iloc[0]:.0f} tokens "
                f"long as asked (mean {known['output_tokens'].mean():.1f}): the server stopped early or ignores "
                "ignore_eos.",
                next="Check that the engine honours ignore_eos and max_tokens; tokens/s need equal lengths.",
            )


def unequal_work(numbers: Numbers) -> Iterator[Finding]:
    """Arms that did not get, or did not do, the same work."""
    base = numbers.scenario.baseline
    for arm, stage, _ in numbers.each_stage():
        for column in ("prompt_tokens", "output_tokens") if arm != base else ():
            one, other = (mean_tokens(numbers, name, stage.id, column) for name in (base, arm))
            if not one or not other or abs(one - other) < 0.5:
                continue
            void = max(one / other, other / one) > MOST_WORK_RATIO
            yield Finding(
                id=f"{column.replace('_', '-')}-differ",
                severity=Severity.VOID if void else Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"{other:.1f} {column.replace('_', ' ')} per request against {one:.1f} of {base}: another "
                "tokenizer, chat template or stopping rule." + (" Their ratio means nothing." if void else ""),
                next="Serve the same tokenizer and template in both arms; prefer the completions route.",
            )


def warmup_not_over(numbers: Numbers) -> Iterator[Finding]:
    """Latency still moving within the windows."""
    for arm, stage, passes in numbers.each_stage():
        changes = [change for one in passes if (change := _half_change(one)) is not None]
        if not changes:
            continue
        typical = math.exp(statistics.fmean(changes))
        same_way = len({change > 0 for change in changes}) == 1
        if same_way and max(typical, 1 / typical) > WARMUP_CHANGE:
            yield Finding(
                id="warm-up-not-over",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"In the second half of the windows a request takes {typical:.2f}× as long as in the first, in "
                f"all {len(changes)} windows: warm-up was not over, or the server slows down as it runs.",
                next="Lengthen load.warmup_s and the stage's duration_s.",
            )


def _half_change(rows: StageRows) -> float | None:
    """Logarithm of the median latency of the second half of the requests over that of the first."""
    ok = rows.ok.sort_values("start_s")
    half = len(ok) // 2
    if half < HALF_LEAST_ROWS:
        return None
    latency = e2e_s(ok)
    first, second = float(latency.iloc[:half].median()), float(latency.iloc[-half:].median())
    return math.log(second / first) if first > 0 and second > 0 else None


def little(numbers: Numbers) -> Iterator[Finding]:
    """Throughput and latency of a closed loop must agree: N = throughput x latency."""
    for arm, stage, passes in numbers.each_stage():
        gaps = [gap for one in passes if stage.concurrency and (gap := _little_gap(one, stage.concurrency)) is not None]
        if gaps and abs(statistics.median(gaps)) > LITTLE_GAP:
            gap = statistics.median(gaps)
            cause = "streams idle between requests, or failed" if gap < 0 else "tokens counted that no window holds"
            yield Finding(
                id="little-law",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"Output tokens/s are {abs(gap) * 100:.1f} % {'below' if gap < 0 else 'above'} what "
                f"{stage.concurrency} always busy stream{'s' * (stage.concurrency != 1)} would give at the latencies "
                f"measured (Little's law): {cause}.",
                next="Look at errors and at the gaps between the requests of one worker.",
            )


def _little_gap(rows: StageRows, concurrency: int) -> float | None:
    ok, tokens = rows.ok, rows.all["window_tokens"].sum()
    latency_s = float(e2e_s(ok).mean())
    if len(ok) < LITTLE_LEAST_ROWS or not tokens or not latency_s > 0 or rows.length_s <= 0:
        return None
    expected = concurrency * float(ok["output_tokens"].mean()) / latency_s
    return float(tokens) / rows.length_s / expected - 1 if expected > 0 else None


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (
    errors,
    incomplete,
    in_flight,
    output_lengths,
    unequal_work,
    warmup_not_over,
    little,
)

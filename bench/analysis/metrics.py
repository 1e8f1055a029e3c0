"""The table of metrics: what each number is, from which rows it comes, and how many rows it needs.

Adding a metric is one row here and its name in `bench/metric_names.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from bench.analysis.energy_metrics import ENERGY_METRICS
from bench.analysis.image_metrics import IMAGE_METRICS
from bench.analysis.metric import Metric
from bench.analysis.rows import PERCENTILE_ROWS, StageRows, percentile, stage_rows
from bench.record import StageWindow
from bench.vocabulary import Better, Kind, Mark, RequestStatus

if TYPE_CHECKING:
    from bench.store.reader import LaunchData

__all__ = ["BY_NAME", "METRICS", "Metric", "stage_values"]


def _itl_mean_s(rows: StageRows) -> float | None:
    ok = rows.ok
    gaps = ok["chunks"] - 1
    has_gaps = (gaps >= 1) & ok["itl_mean_s"].notna()
    total = float(gaps[has_gaps].sum())
    return float((ok["itl_mean_s"] * gaps)[has_gaps].sum()) / total if total else None


def _output_tokens_per_s(rows: StageRows) -> float | None:
    tokens = rows.all["window_tokens"]
    return float(tokens.sum()) / rows.length_s if tokens.notna().any() and rows.length_s > 0 else None


def _requests_per_s(rows: StageRows) -> float | None:
    return None if rows.length_s <= 0 or rows.all.empty else rows.answered / rows.length_s


def _error_ratio(rows: StageRows) -> float | None:
    errors = int((rows.measured["status"] == RequestStatus.ERROR).sum())
    judged = errors + len(rows.ok)  # what the suite itself cut says nothing about the server
    return errors / judged if judged else None


def _between(first: Mark, last: Mark) -> Callable[[LaunchData], float | None]:
    def seconds(data: LaunchData) -> float | None:
        marks = data.launch.marks
        return marks[last] - marks[first] if first in marks and last in marks else None

    return seconds


def _peak_memory_bytes(data: LaunchData) -> float | None:
    samples = data.telemetry
    if samples is None:
        return None
    mine = (samples["source"] == "host") & (samples["entity"] == "server") & (samples["metric"] == "rss_bytes")
    values = samples.loc[mine, "value"].dropna()
    return float(values.max()) if len(values) else None


def _latency(name: str, label: str, definition: str, margins: tuple[float, ...]) -> tuple[Metric, ...]:
    """The p50, p90 and p99 rows of one latency."""
    return tuple(
        Metric(
            name=f"{name}_p{p}_s",
            label=f"{label} p{p}",
            unit="s",
            better=Better.LOWER,
            margin=margin,
            least_rows=PERCENTILE_ROWS[p],
            of_stage=lambda rows, p=p: percentile(rows.latencies_s[name], p),  # type: ignore[misc]
            definition=f"{definition} The {p}th percentile (linear interpolation) over the requests that started in "
            f"the window and ended well; at least {PERCENTILE_ROWS[p]} of them, else not known.",
        )
        for p, margin in zip(PERCENTILE_ROWS, margins, strict=True)
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        name="output_tokens_per_s",
        label="Output tokens/s",
        unit="tok/s",
        better=Better.HIGHER,
        margin=0.05,
        of_stage=_output_tokens_per_s,
        definition="Output tokens that arrived inside the window, by the server's own count, divided by the window's "
        "length. Tokens of requests that began before or ended after it count where they arrived; where the server "
        "does not say how many tokens a chunk holds, those of an answer are spread evenly over its chunks.",
    ),
    Metric(
        name="requests_per_s",
        label="Requests/s",
        unit="req/s",
        better=Better.HIGHER,
        margin=0.05,
        of_stage=_requests_per_s,
        definition="Requests that ended well, each by the share of its output tokens that arrived inside the window, "
        "divided by the window's length: answers of equal lengths keep in step, and whole ones would count the moment "
        "at which the window cut them.",
    ),
    *_latency(
        "ttft",
        "TTFT",
        "Time to first token: from the first byte of the request handed to the kernel (open loop: from its planned "
        "time) to the arrival of the first chunk that carries a token, by the kernel's own stamp; a role-only chunk "
        "does not count.",
        (0.10, 0.10, 0.15),
    ),
    *_latency(
        "tpot",
        "TPOT",
        "Time per output token after the first: (last token - first token) / (output tokens - 1) of one request.",
        (0.05, 0.10, 0.15),
    ),
    *_latency(
        "e2e",
        "End to end",
        "From the first byte of the request handed to the kernel (open loop: from its planned time) to its last token.",
        (0.05, 0.10, 0.15),
    ),
    Metric(
        name="itl_mean_s",
        label="ITL mean",
        unit="s",
        better=Better.LOWER,
        margin=0.05,
        of_stage=_itl_mean_s,
        definition="Inter-token latency: the mean gap between two chunks over all gaps of the window's good requests. "
        "Gaps are between chunks: a server that sends several tokens a chunk has fewer, longer gaps; compare TPOT.",
    ),
    Metric(
        name="itl_max_p99_s",
        label="Longest gap p99",
        unit="s",
        better=Better.LOWER,
        margin=0.15,
        least_rows=PERCENTILE_ROWS[99],
        of_stage=lambda rows: percentile(rows.ok["itl_max_s"], 99),
        definition="The longest gap between two chunks of one request: the worst pause that its reader sees. The 99th "
        "percentile over the window's good requests; at least 300 of them, else not known. It grows with the length "
        "of the answers: compare only equal lengths. Where the kernel stamps no arrivals, it holds the client's own "
        "pauses too.",
    ),
    Metric(
        name="error_ratio",
        label="Errors",
        unit="ratio",
        better=Better.LOWER,
        margin=0.001,
        kind=Kind.DIFFERENCE,
        of_stage=_error_ratio,
        definition="Share of failed requests among those that started in the window; requests that the suite itself "
        "cut are left out. Compared as a difference. No failure in N requests rules out only shares above 3/N.",
    ),
    *ENERGY_METRICS,
    Metric(
        name="start_to_first_token_s",
        label="Start to first token",
        unit="s",
        better=Better.LOWER,
        margin=0.20,
        of_launch=_between(Mark.CREATED, Mark.FIRST_TOKEN),
        definition="Cold start: from the order to start the arm to the first token of its first request. The same "
        "stopwatch for every engine, whatever its own health route calls ready.",
    ),
    Metric(
        name="start_to_ready_s",
        label="Start to ready",
        unit="s",
        better=Better.LOWER,
        margin=0.20,
        of_launch=_between(Mark.CREATED, Mark.READY),
        definition="From the order to start the arm to the first good answer of its own readiness route. Engines "
        "mean different things by ready; compare start to first token.",
    ),
    Metric(
        name="peak_memory_bytes",
        label="Peak memory",
        unit="bytes",
        better=Better.LOWER,
        margin=0.05,
        of_launch=_peak_memory_bytes,
        definition="The largest sampled resident memory of the arm's processes together under load; the start-up "
        "before it is not sampled. Pages that processes share count in each; a peak between two samples is missed.",
    ),
    *IMAGE_METRICS,
)

BY_NAME = {metric.name: metric for metric in METRICS}


def stage_values(requests: pd.DataFrame, window: StageWindow) -> dict[str, float | None]:
    """Every stage metric of one pass over one stage; None where the rows cannot carry it."""
    rows = stage_rows(requests, window)
    found = {metric: metric.of_stage(rows) for metric in METRICS if metric.of_stage}
    return {metric.name: value for metric, value in found.items() if value is not None or not metric.only_where_known}

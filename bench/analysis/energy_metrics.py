"""The metrics of energy: what a token and a request cost, and what a joule gives."""

from __future__ import annotations

from bench.analysis.metric import Metric
from bench.analysis.rows import StageRows
from bench.vocabulary import Better, RequestStatus

_WHAT = (
    "Joules of the arm's GPU boards over the window, by their own energy counters, what they take when idle included "
    "(gross); neither the host's nor the wall's. "
)


def _joules(rows: StageRows) -> float | None:
    return rows.energy.joules if rows.energy else None


def _tokens(rows: StageRows) -> float | None:
    tokens = rows.all["window_tokens"]
    return float(tokens.sum()) if tokens.notna().any() else None


def _requests(rows: StageRows) -> float:
    done = rows.all[rows.all["status"] == RequestStatus.OK]["last_token_s"]
    return float(done.between(rows.window.window_start_s, rows.window.window_end_s).sum())


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


ENERGY_METRICS = (
    Metric(
        name="energy_per_output_token_j", label="Energy per output token", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_joules(rows), _tokens(rows)), only_where_known=True,
        definition=f"{_WHAT}Divided by the output tokens that arrived inside the same window. Its reciprocal "
        "is tokens per joule.",
    ),
    Metric(
        name="energy_per_request_j", label="Energy per request", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_joules(rows), _requests(rows)), only_where_known=True,
        definition=f"{_WHAT}Divided by the requests that ended well inside the same window.",
    ),
)  # fmt: skip

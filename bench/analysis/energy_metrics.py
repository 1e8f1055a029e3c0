"""The metrics of energy: what a token and a request cost, and what a joule gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.energy import gpu_rows
from bench.analysis.idle import idle_powers, idle_w
from bench.analysis.metric import Metric
from bench.analysis.rows import StageRows
from bench.vocabulary import Better, RequestStatus

if TYPE_CHECKING:
    from bench.store.reader import LaunchData

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


def _net_joules(rows: StageRows) -> float | None:
    """Less what the same cards took over as long a time before the arm was there."""
    joules = _joules(rows)
    return joules - rows.idle_w * rows.length_s if joules is not None and rows.idle_w is not None else None


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


_NET = (
    "As above, less what the same boards took over as long a time with no arm on them (net): what serving adds to a "
    "card that is there anyway. "
)


def _idle_w(data: LaunchData, *, loaded: bool) -> float | None:
    return idle_w(idle_powers(data.launch, gpu_rows(data.telemetry)), loaded=loaded)


ENERGY_METRICS = (
    Metric(
        name="energy_per_output_token_j", label="Energy per output token", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_joules(rows), _tokens(rows)), only_where_known=True,
        definition=f"{_WHAT}Divided by the output tokens that arrived inside the same window.",
    ),
    Metric(
        name="output_tokens_per_j", label="Output tokens per joule", unit="tok/J", better=Better.HIGHER, margin=0.05,
        of_stage=lambda rows: _over(_tokens(rows), _joules(rows)), only_where_known=True,
        definition=f"{_WHAT}The output tokens that arrived inside the same window, divided by them.",
    ),
    Metric(
        name="energy_net_per_output_token_j", label="Net energy per output token", unit="J", better=Better.LOWER,
        margin=0.05, of_stage=lambda rows: _over(_net_joules(rows), _tokens(rows)), only_where_known=True,
        definition=f"{_NET}Divided by the output tokens that arrived inside the window.",
    ),
    Metric(
        name="energy_per_request_j", label="Energy per request", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_joules(rows), _requests(rows)), only_where_known=True,
        definition=f"{_WHAT}Divided by the requests that ended well inside the same window.",
    ),
    Metric(
        name="energy_net_per_request_j", label="Net energy per request", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_net_joules(rows), _requests(rows)), only_where_known=True,
        definition=f"{_NET}Divided by the requests that ended well inside the window.",
    ),
    Metric(
        name="loaded_idle_power_w", label="Idle power, loaded", unit="W", better=Better.LOWER, margin=0.05,
        of_launch=lambda data: _idle_w(data, loaded=True), only_where_known=True,
        definition="Power of the arm's GPU boards, by their energy counters, with the arm serving and nobody asking: "
        "what waiting for traffic costs.",
    ),
    Metric(
        name="idle_power_w", label="Idle power, no arm", unit="W", better=Better.LOWER, margin=0.05,
        of_launch=lambda data: _idle_w(data, loaded=False), only_where_known=True,
        definition="Power of the same boards before the arm was on them: no property of an arm, so a difference says "
        "that the arms began from unlike states.",
    ),
)  # fmt: skip

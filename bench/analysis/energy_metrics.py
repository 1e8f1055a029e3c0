"""The metrics of energy: what a token and a request cost, and what a joule gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.energy import gpu_rows
from bench.analysis.idle import idle_powers, idle_w
from bench.analysis.metric import Metric
from bench.analysis.rows import StageRows
from bench.vocabulary import Better

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


def net_joules(rows: StageRows) -> float | None:
    """Less what the same cards took over as long a time with no arm.

    None where that is no more than the window's edges can be wrong by: what is left is noise, and may be below 0.
    """
    if rows.energy is None or rows.energy.joules is None or rows.idle_w is None:
        return None
    net = rows.energy.joules - rows.idle_w * rows.length_s
    return net if net > rows.energy.edge_error_j else None


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


_NET = (
    "As above, less what the same boards took over as long a time with no arm on them (net), by the mean over the "
    "launches of the block: what serving adds to a card that is there anyway. "
)
_ANSWERED = "Divided by the requests that ended well, each by the share of its tokens that arrived inside the window."


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
        of_stage=lambda rows: _over(_tokens(rows), _joules(rows)), only_where_known=True, compared="as primary",
        definition=f"{_WHAT}The output tokens that arrived inside the same window, divided by them: energy per output "
        "token the other way round, so the arms are compared by that.",
    ),
    Metric(
        name="energy_net_per_output_token_j", label="Net energy per output token", unit="J", better=Better.LOWER,
        margin=0.05, of_stage=lambda rows: _over(net_joules(rows), _tokens(rows)), only_where_known=True,
        definition=f"{_NET}Divided by the output tokens that arrived inside the window.",
    ),
    Metric(
        name="energy_per_request_j", label="Energy per request", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(_joules(rows), rows.answered), only_where_known=True,
        definition=f"{_WHAT}{_ANSWERED}",
    ),
    Metric(
        name="energy_net_per_request_j", label="Net energy per request", unit="J", better=Better.LOWER, margin=0.05,
        of_stage=lambda rows: _over(net_joules(rows), rows.answered), only_where_known=True,
        definition=f"{_NET}{_ANSWERED}",
    ),
    Metric(
        name="loaded_idle_power_w", label="Idle power, loaded", unit="W", better=Better.LOWER, margin=0.05,
        of_launch=lambda data: _idle_w(data, loaded=True), only_where_known=True,
        definition="Power of the arm's GPU boards, by their energy counters, with the arm serving and nobody asking: "
        "what waiting for traffic costs.",
    ),
    Metric(
        name="idle_power_w", label="Idle power, no arm", unit="W", better=Better.LOWER, margin=0.05,
        of_launch=lambda data: _idle_w(data, loaded=False), only_where_known=True, compared="never",
        definition="Power of the same boards before the arm was on them: no property of an arm, so the arms are not "
        "compared by it. Where it differs between them, they began from unlike states, and a finding says so.",
    ),
)  # fmt: skip

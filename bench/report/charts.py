"""The charts, one function each: an arm keeps its colour, a launch is never pooled with another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bench.report import format as fmt
from bench.report.glossary import label
from bench.report.subject import Subject
from bench.vocabulary import Phase, RequestStatus, Role

Latency = Callable[[pd.DataFrame], pd.Series]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_GRID, INK = "#e6e8eb", "#1f2328"
_ECDF_POINTS, _FEWEST_ECDF_POINTS, _ECDF_BUDGET = 200, 40, 40_000  # per launch at most, at least, per page
_LOG_SPREAD = 8.0  # p99 over p1 beyond which a linear axis hides the small ones
_AXIS = {"gridcolor": _GRID, "zeroline": False, "linecolor": "#c9ced4", "ticks": "outside", "tickcolor": "#c9ced4"}
_LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "font": {"size": 11}}


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with what a reader needs who cannot see it or has seconds."""

    id: str
    title: str
    reading: str  # one sentence: how to read it
    figure: go.Figure
    height: int = 320


def throughput_latency(subject: Subject, metric: str, name: str) -> Chart | None:
    """Latency over throughput: a point per launch and stage, a line through each arm's centres."""
    figure, stages = blank(), [s.id for s in subject.scenario.load.stages]
    for arm in subject.arms:
        points, centre = [], []
        for stage in stages:
            speed = subject.value(arm.name, "output_tokens_per_s", stage)
            late = subject.value(arm.name, metric, stage)
            if speed is None or late is None:
                continue
            both = sorted(speed.per_launch.keys() & late.per_launch.keys())
            points += [(speed.per_launch[i], late.per_launch[i] * 1e3, i, stage) for i in both]
            if speed.value is not None and late.value is not None:
                centre.append((speed.value, late.value * 1e3, stage))
        colour, shown = subject.colour(arm.name), plain(arm.name)
        corner = "top left" if arm is subject.arms[0] else "bottom right"
        if points:
            figure.add_scatter(
                x=floats(p[0] for p in points), y=floats(p[1] for p in points), mode="markers", legendgroup=arm.name,
                marker={"color": colour, "symbol": subject.symbol(arm.name), "size": 7, "opacity": 0.55},
                name=f"{shown}: a launch", customdata=[[p[2], p[3]] for p in points],
                hovertemplate="launch %{customdata[0]} at %{customdata[1]}<br>%{x:.4g} tok/s, %{y:.4g} ms",
            )  # fmt: skip
        if centre:
            figure.add_scatter(
                x=floats(c[0] for c in centre), y=floats(c[1] for c in centre), mode="lines+text",
                text=[c[2] for c in centre], textposition=corner, textfont={"size": 11, "color": colour},
                line={"color": colour, "width": 2}, name=f"{shown}: centre of its launches", legendgroup=arm.name,
                cliponaxis=False, hoverinfo="skip",
            )  # fmt: skip
    if not figure.data:
        return None
    figure.update_xaxes(title="output tokens per second (tok/s)", rangemode="tozero")
    figure.update_yaxes(title=f"{name} (ms)", rangemode="tozero")
    return Chart(
        f"curve-{metric}", f"{name} against throughput",
        "Right and low is good; each point is one launch at one stage, so the scatter is what a restart changes.",
        figure, 380,
    )  # fmt: skip


def distribution(subject: Subject, of_rows: Latency, name: str, stage: str) -> Chart | None:
    """The share of requests at or below each latency, one thin line per launch."""
    figure, seen, spread = blank(), set(), 1.0
    lines = max(1, len(subject.kept) * 2 * len(subject.scenario.load.stages))
    points = max(_FEWEST_ECDF_POINTS, min(_ECDF_POINTS, _ECDF_BUDGET // lines))
    for one in (one for arm in subject.arms for one in subject.kept_of(arm.name)):
        seconds = latencies(one.requests, of_rows, stage)
        if not len(seconds):
            continue
        x, y = ecdf(seconds * 1e3, points)
        low, high = np.percentile(seconds, [1, 99])
        spread = max(spread, high / low if low > 0 else 1.0)
        arm = one.launch.arm
        figure.add_scatter(
            x=floats(x), y=floats(y), mode="lines", line={"color": subject.colour(arm), "width": 1.2, "shape": "hv"},
            opacity=0.8, name=f"{plain(arm)} (ms)", legendgroup=arm,
            showlegend=arm not in seen,
            hovertemplate=f"launch {one.launch.index}: %{{y:.1f}} % within %{{x:.4g}} ms<extra></extra>",
        )  # fmt: skip
        seen.add(arm)
    if not figure.data:
        return None
    figure.update_xaxes(title=f"{name} (ms{', log axis' if spread > _LOG_SPREAD else ''})")
    figure.update_xaxes(type="log" if spread > _LOG_SPREAD else "linear")
    figure.update_yaxes(title="share of requests (%)", range=[0, 101])
    return Chart(
        f"ecdf-{name.lower()}-{stage}", f"{name} at {stage}",
        "A line further left is faster; lines of one colour that lie apart mean that launches of one arm differ.",
        figure,
    )  # fmt: skip


def latencies(requests: pd.DataFrame | None, of_rows: Latency, stage: str) -> Any:
    """One launch's latencies in seconds over all rounds: rows of the window that ended well."""
    if requests is None:
        return np.empty(0)
    mine = (requests["stage"] == stage) & (requests["phase"] == Phase.WINDOW)
    rows = requests[mine & (requests["status"] == RequestStatus.OK)]
    seconds = of_rows(rows).to_numpy(dtype="float64", na_value=np.nan)
    return seconds[np.isfinite(seconds)]


def ecdf(values: Any, points: int) -> tuple[Any, Any]:
    """Sorted values and the per cent of them at or below each; at most `points`, both ends kept."""
    ordered = np.sort(values)
    picked = np.unique(np.linspace(0, len(ordered) - 1, min(points, len(ordered))).round().astype(int))
    return ordered[picked], (picked + 1) / len(ordered) * 100


def primary_by_block(subject: Subject) -> Chart | None:
    """The primary metric of every launch over the blocks, the arms of one block joined."""
    primary = subject.scenario.primary
    blocks = {one.launch.index: one.launch for one in subject.kept}
    unit = subject.primary.unit if subject.primary else ""
    found = {arm.name: subject.value(arm.name, primary.metric, primary.stage) for arm in subject.arms}
    scale = fmt.scale_for(unit, (x for v in found.values() if v for x in v.per_launch.values()))
    figure = blank()
    pairs: dict[int, list[float]] = {}
    for arm in subject.arms:
        value = found[arm.name]
        rows = (
            sorted((blocks[i].block, v * scale.factor, i) for i, v in value.per_launch.items() if i in blocks)
            if value
            else []
        )
        if not rows:
            continue
        for block, y, _ in rows:
            pairs.setdefault(block, []).append(y)
        figure.add_scatter(
            x=[r[0] for r in rows], y=floats(r[1] for r in rows), mode="lines+markers", line={"width": 1.5},
            marker={"size": 9, "symbol": subject.symbol(arm.name)}, marker_color=subject.colour(arm.name),
            line_color=subject.colour(arm.name), name=f"{plain(arm.name)} ({scale.unit})",
            customdata=[[r[2], blocks[r[2]].order_in_block + 1] for r in rows],
            hovertemplate=f"block %{{x}}, launch %{{customdata[0]}}: %{{y:.5g}} {scale.unit}",
        )  # fmt: skip
    if not figure.data:
        return None
    for block, ends in pairs.items():
        figure.add_scatter(
            x=[block, block], y=[min(ends), max(ends)], mode="lines", line={"color": "#b6bdc5", "width": 6},
            opacity=0.45, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.data = figure.data[-len(pairs) :] + figure.data[: -len(pairs)]
    figure.update_xaxes(title="block, in the order of time", dtick=max(1, len(pairs) // 12))
    figure.update_yaxes(title=f"{_at(label(primary.metric), primary.stage)} ({scale.unit})")
    return Chart(
        "blocks", "Primary metric, launch by launch",
        "The grey bar joins the launches of one block, which are compared with each other; lines that rise or fall "
        "together are drift of the machine, and pairing removes it.",
        figure,
    )  # fmt: skip


def ratio_by_block(subject: Subject) -> Chart | None:
    """The candidate over the baseline within each block, with the interval that they give together."""
    at, figure, first = subject.scenario.primary, blank(), True
    blocks = {one.launch.index: one.launch.block for one in subject.kept}
    for c in subject.summary.comparisons:
        values = [subject.value(arm, at.metric, at.stage) for arm in (c.baseline, c.candidate)]
        if c.role is not Role.PRIMARY or c.ratio is None or None in values:
            continue
        low, high = ({blocks[i]: x for i, x in v.per_launch.items() if i in blocks} for v in values if v)
        shared = sorted(low.keys() & high.keys())
        if not shared:
            continue
        if first:
            figure.add_hrect(y0=1 / (1 + c.margin), y1=1 + c.margin, fillcolor="#8a94a0", opacity=0.2, line_width=0)
            figure.add_hline(y=1, line={"color": INK, "width": 1})
        first, colour = False, subject.colour(c.candidate)
        if c.ci95:
            figure.add_hrect(y0=c.ci95[0], y1=c.ci95[1], fillcolor=colour, opacity=0.12, line_width=0)
        figure.add_hline(y=c.ratio, line={"color": colour, "width": 1.5, "dash": "dash"})
        figure.add_scatter(
            x=shared, y=floats(high[b] / low[b] for b in shared), mode="markers", showlegend=True,
            name=f"{plain(c.candidate)} / {plain(c.baseline)} (ratio)",
            marker={"size": 10, "color": colour, "symbol": subject.symbol(c.candidate)},
            hovertemplate="block %{x}: %{y:.4f}<extra></extra>",
        )  # fmt: skip
    if first:
        return None
    figure.update_xaxes(title="block, in the order of time", dtick=max(1, len(blocks) // 24))
    figure.update_yaxes(title="ratio within the block")
    return Chart(
        "block-ratios", "Ratio of the primary metric within each block",
        "Each point is one block; grey is the margin that does not matter, the coloured band the 95 % interval.",
        figure,
    )  # fmt: skip


def plain(name: str) -> str:
    """A name that the chart library cannot take for markup."""
    return fmt.safe_text(name, 40).replace("<", "‹")


def blank() -> go.Figure:
    """An empty figure in the page's own look."""
    look = {
        "font": {"family": _FONT, "size": 12, "color": INK}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "xaxis": _AXIS, "yaxis": _AXIS, "legend": _LEGEND, "hovermode": "closest",
        "margin": {"l": 56, "r": 16, "t": 44, "b": 48}, "hoverlabel": {"font": {"family": _FONT, "size": 12}},
    }  # fmt: skip
    return go.Figure(layout={"template": {"layout": look}, "autosize": True})


def floats(values: Iterable[Any]) -> Any:
    """Numbers to draw: half the bytes, and still more precise than any pixel."""
    return np.fromiter(values, dtype="float32")


def _at(metric: str, stage: str | None) -> str:
    return f"{metric} at {stage}" if stage else metric

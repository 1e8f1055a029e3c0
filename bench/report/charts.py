"""The charts, one function each: an arm keeps its colour, a launch is never pooled with another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bench.report import format as fmt
from bench.report.subject import Subject
from bench.vocabulary import Mark, Phase, RequestStatus

Latency = Callable[[pd.DataFrame], pd.Series]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_GRID, _INK, _MUTED = "#e6e8eb", "#1f2328", "#57606a"
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
    figure, stages = _figure(), [s.id for s in subject.scenario.load.stages]
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
        colour, label = subject.colour(arm.name), fmt.safe_text(arm.name, 60)
        if points:
            figure.add_scatter(
                x=_floats(p[0] for p in points), y=_floats(p[1] for p in points), mode="markers", legendgroup=arm.name,
                marker={"color": colour, "symbol": subject.symbol(arm.name), "size": 7, "opacity": 0.55},
                name=f"{label}: a launch", customdata=[[p[2], p[3]] for p in points],
                hovertemplate="launch %{customdata[0]} at %{customdata[1]}<br>%{x:.4g} tok/s, %{y:.4g} ms",
            )  # fmt: skip
        if centre:
            figure.add_scatter(
                x=_floats(c[0] for c in centre), y=_floats(c[1] for c in centre), mode="lines+text",
                text=[c[2] for c in centre], textposition="top center", textfont={"size": 11, "color": colour},
                line={"color": colour, "width": 2}, name=f"{label}: centre of its launches", legendgroup=arm.name,
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
    figure, seen, spread = _figure(), set(), 1.0
    lines = max(1, len(subject.kept) * 2 * len(subject.scenario.load.stages))
    points = max(_FEWEST_ECDF_POINTS, min(_ECDF_POINTS, _ECDF_BUDGET // lines))
    for one in subject.kept:
        seconds = latencies(one.requests, of_rows, stage)
        if not len(seconds):
            continue
        x, y = ecdf(seconds * 1e3, points)
        low, high = np.percentile(seconds, [1, 99])
        spread = max(spread, high / low if low > 0 else 1.0)
        arm = one.launch.arm
        figure.add_scatter(
            x=_floats(x), y=_floats(y), mode="lines", line={"color": subject.colour(arm), "width": 1.2, "shape": "hv"},
            opacity=0.8, name=f"{fmt.safe_text(arm, 60)} (ms, a line per launch)", legendgroup=arm,
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
    figure, pairs = _figure(), {}
    for arm in subject.arms:
        value = found[arm.name]
        rows = (
            sorted((blocks[i].block, v * scale.factor, i) for i, v in value.per_launch.items() if i in blocks)
            if value
            else []
        )  # noqa: E501
        if not rows:
            continue
        for block, y, _ in rows:
            pairs.setdefault(block, []).append(y)
        figure.add_scatter(
            x=[r[0] for r in rows], y=_floats(r[1] for r in rows), mode="lines+markers", line={"width": 1.5},
            marker={"size": 9, "symbol": subject.symbol(arm.name)}, marker_color=subject.colour(arm.name),
            line_color=subject.colour(arm.name), name=f"{fmt.safe_text(arm.name, 60)} ({scale.unit})",
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
    figure.update_yaxes(title=f"{_at(primary.metric, primary.stage)} ({scale.unit})")
    return Chart(
        "blocks", "Primary metric, launch by launch",
        "The grey bar joins the launches of one block, which are compared with each other; lines that rise or fall "
        "together are drift of the machine, and pairing removes it.",
        figure,
    )  # fmt: skip


def startup(subject: Subject) -> Chart | None:
    """Start-up as segments from mark to mark, a row per launch."""
    order = list(Mark)
    rows = [one.launch for arm in reversed(subject.arms) for one in reversed(subject.kept_of(arm.name))]
    used = [m for m in order if any(m in launch.marks for launch in rows)]
    figure, shades = _figure(), _shades(len(used))
    for mark, shade in zip(used, shades, strict=True):
        bars = []
        for launch in rows:
            if mark not in launch.marks:
                continue
            end = launch.marks[mark]
            start = max((t for m, t in launch.marks.items() if t < end and m is not mark), default=0.0)
            bars.append((f"{fmt.safe_text(launch.arm, 24)} {launch.index}", start, end - start, end))
        figure.add_bar(
            orientation="h", y=[b[0] for b in bars], base=_floats(b[1] for b in bars), x=_floats(b[2] for b in bars),
            name=f"until {mark.value} (s)", marker={"color": shade, "line": {"width": 0.5, "color": "#fff"}},
            customdata=[[b[3]] for b in bars], width=0.7,
            hovertemplate=f"%{{y}}: {mark.value} at %{{customdata[0]:.4g}} s, took %{{x:.4g}} s<extra></extra>",
        )  # fmt: skip
    if not figure.data:
        return None
    figure.update_layout(barmode="overlay", margin={"l": 10, "t": 60}, legend={"traceorder": "normal"})
    figure.update_xaxes(title="seconds since the launch began (s)", rangemode="tozero")
    figure.update_yaxes(automargin=True, showgrid=False)
    return Chart(
        "startup", "Start-up, mark by mark",
        "Each row is one launch; the end of the segment `until ready` is when the server could take requests.",
        figure, 130 + 24 * len(rows),
    )  # fmt: skip


def _figure() -> go.Figure:
    look = {
        "font": {"family": _FONT, "size": 12, "color": _INK}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "xaxis": _AXIS, "yaxis": _AXIS, "legend": _LEGEND, "hovermode": "closest",
        "margin": {"l": 56, "r": 16, "t": 44, "b": 48}, "hoverlabel": {"font": {"family": _FONT, "size": 12}},
    }  # fmt: skip
    return go.Figure(layout={"template": {"layout": look}, "autosize": True})


def _floats(values: Iterable[Any]) -> Any:
    return np.fromiter(values, dtype="float32")  # half the bytes; more precise than any pixel


def _at(metric: str, stage: str | None) -> str:
    return f"{metric} at {stage}" if stage else metric


def _shades(count: int) -> list[str]:
    low, high = np.array([205, 221, 235]), np.array([22, 60, 98])
    steps = [low + (high - low) * (i / max(1, count - 1)) for i in range(count)]
    return [f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in steps]

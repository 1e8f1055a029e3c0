"""The chart of telemetry over time: what server, client and engine did while one launch was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from plotly.subplots import make_subplots

from bench.record import StageWindow
from bench.report import format as fmt
from bench.report.charts import Chart, _figure, _floats
from bench.report.subject import Subject
from bench.store.reader import LaunchData

_POINTS = 600  # per series at most
# panel title, unit, scale, series: (source, entity, metric, name, dash)
_PANELS: tuple[tuple[str, fmt.Scale, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    (
        "CPU (cores)", fmt.Scale(1.0, "cores"),
        (("host", "server", "cpu_cores", "server CPU (cores)", "solid"),
         ("host", "client", "cpu_cores", "client CPU (cores)", "dot")),
    ),
    ("memory (GiB)", fmt.GIB, (("host", "server", "rss_bytes", "server memory (GiB)", "solid"),)),
    (
        "engine queue (requests)", fmt.Scale(1.0, "requests"),
        (("engine", "engine", "requests_running", "running (requests)", "solid"),
         ("engine", "engine", "requests_waiting", "waiting (requests)", "dot")),
    ),
)  # fmt: skip


def telemetry(subject: Subject, arm: str) -> Chart | None:
    """The median launch of an arm over time; the measured windows are shaded."""
    one = subject.median_launch(arm)
    if one is None or one.telemetry is None or not len(one.telemetry):
        return None
    figure = make_subplots(rows=len(_PANELS), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    figure.update_layout(_figure().layout, overwrite=True)
    drawn = False
    for row, (title, scale, series) in enumerate(_PANELS, start=1):
        for source, entity, metric, name, dash in series:
            t, y = samples(one, source, entity, metric)
            if not len(t):
                continue
            drawn = True
            figure.add_scatter(
                x=_floats(t), y=_floats(y * scale.factor), mode="lines", name=name, row=row, col=1,
                line={"color": subject.colour(arm), "width": 1.5, "dash": dash},
                hovertemplate=f"%{{y:.4g}} {scale.unit} at %{{x:.1f}} s",
            )  # fmt: skip
        figure.update_yaxes(title=title, row=row, col=1, range=[0, 1.08 * highest(subject, series, scale)])
    if not drawn:
        return None
    for window in one.launch.stages:
        _shade(figure, window)
    figure.update_xaxes(title="seconds since the launch began (s)", row=len(_PANELS), col=1)
    name = fmt.safe_text(arm, 60)
    return Chart(
        f"telemetry-{arm}", f"{name}, launch {one.launch.index}",
        "The shaded spans are the measured windows of the stages; in a fair stage the client stays well below one core "
        "per load process and the queue stands at the stage's concurrency.",
        figure, 520,
    )  # fmt: skip


def samples(one: LaunchData, source: str, entity: str, metric: str) -> tuple[Any, Any]:
    """A series of a launch, thinned so that no peak or trough is lost."""
    rows = one.telemetry
    if rows is None or not len(rows):
        return np.empty(0), np.empty(0)
    picked = rows[(rows["source"] == source) & (rows["entity"] == entity) & (rows["metric"] == metric)]
    picked = picked.sort_values("t_s")
    return thin(picked["t_s"].to_numpy(dtype="float64"), picked["value"].to_numpy(dtype="float64"), _POINTS)


def thin(t: Any, y: Any, points: int) -> tuple[Any, Any]:
    """At most `points` samples: the lowest and the highest of each of points/2 equal spans."""
    if len(t) <= points:
        return t, y
    keep: set[int] = set()
    for span in np.array_split(np.arange(len(t)), points // 2):
        keep |= {int(span[np.argmin(y[span])]), int(span[np.argmax(y[span])])}
    picked = sorted(keep)
    return t[picked], y[picked]


def highest(subject: Subject, series: tuple[tuple[str, str, str, str, str], ...], scale: fmt.Scale) -> float:
    """The largest value of a panel over all arms' median launches, so that arms share one axis."""
    chosen = [one for arm in subject.arms if (one := subject.median_launch(arm.name))]
    tops = [
        float(np.nanmax(y)) * scale.factor
        for one in chosen
        for source, entity, metric, _, _ in series
        if len(y := samples(one, source, entity, metric)[1])
    ]
    return max([*tops, 1e-9])


def _shade(figure: Any, window: StageWindow) -> None:
    figure.add_vrect(
        x0=window.window_start_s, x1=window.window_end_s, fillcolor="#8a94a0", opacity=0.14, line_width=0, row="all",
        col=1,
    )  # fmt: skip
    figure.add_annotation(
        x=(window.window_start_s + window.window_end_s) / 2, y=1, xref="x", yref="paper", yanchor="top",
        text=fmt.safe_text(window.stage, 24).replace("<", "‹"), showarrow=False, font={"size": 10, "color": "#57606a"},
    )  # fmt: skip

"""The charts over time: the marks of every start-up, and what server, client and engine did in one launch."""

from __future__ import annotations

from typing import Any

import numpy as np
from plotly.subplots import make_subplots

from bench.record import Launch, StageWindow
from bench.report import format as fmt
from bench.report.charts import Chart, blank, floats, plain
from bench.report.subject import Subject
from bench.store.reader import LaunchData
from bench.vocabulary import Mark

_POINTS = 600  # per series at most
_ALWAYS = 3  # panels that every page has
# panel title, unit, scale, series: (source, entity, metric, name, dash)
Series = tuple[str, str, str, str, str]
_SUM, _MEAN = "all GPUs together", "mean of the GPUs"  # as entity: of all that the arm has
_PANELS: tuple[tuple[str, fmt.Scale, tuple[Series, ...]], ...] = (
    (
        "CPU (cores)", fmt.Scale(1.0, "cores"),
        (("host", "server", "cpu_cores", "server CPU (cores)", "solid"),
         ("host", "client", "cpu_cores", "client CPU (cores)", "dot")),
    ),
    ("memory (GiB)", fmt.GIB, (("host", "server", "rss_bytes", "server memory (GiB)", "solid"),)),
    (
        "queue (requests)", fmt.Scale(1.0, "requests"),
        (("engine", "engine", "requests_running", "running (requests)", "solid"),
         ("engine", "engine", "requests_waiting", "waiting (requests)", "dot")),
    ),
    (
        "KV cache (%)", fmt.Scale(100.0, "%"),
        (("engine", "engine", "kv_cache_usage_ratio", "KV cache in use (%)", "solid"),),
    ),
    (
        "GPU power (W)", fmt.Scale(1.0, "W"),
        (("gpu", _SUM, "power_w", "GPU power (W)", "solid"), ("gpu", _SUM, "power_limit_w", "its limit (W)", "dot")),
    ),
    ("SM clock (GHz)", fmt.Scale(1e-9, "GHz"), (("gpu", _MEAN, "sm_clock_hz", "SM clock (GHz)", "solid"),)),
    (
        "GPU activity (%)", fmt.Scale(100.0, "%"),
        (("gpu", _MEAN, "sm_active_ratio", "SMs active (%)", "solid"),
         ("gpu", _MEAN, "dram_active_ratio", "memory bandwidth (%)", "dash"),
         ("gpu", _MEAN, "utilisation_ratio", "some kernel ran (%)", "dot")),
    ),
)  # fmt: skip


def startup(subject: Subject) -> Chart | None:
    """Start-up as segments from mark to mark, a row per launch."""
    order = list(Mark)
    rows = [one.launch for arm in reversed(subject.arms) for one in reversed(subject.kept_of(arm.name))]
    used = [m for m in order if any(m in launch.marks for launch in rows)]
    figure, shades = blank(), _shades(len(used))
    for mark, shade in zip(used, shades, strict=True):
        bars = []
        for launch in rows:
            if mark not in launch.marks:
                continue
            end = launch.marks[mark]
            start = max((t for m, t in launch.marks.items() if t < end and m is not mark), default=0.0)
            bars.append((_row_name(subject, launch), start, end - start, end))
        figure.add_bar(
            orientation="h", y=[b[0] for b in bars], base=floats(b[1] for b in bars), x=floats(b[2] for b in bars),
            name=f"until {mark.value} (s)", marker={"color": shade, "line": {"width": 0.5, "color": "#fff"}},
            customdata=[[b[3]] for b in bars], width=0.7,
            hovertemplate=f"{mark.value} at %{{customdata[0]:.4g}} s, took %{{x:.4g}} s<extra></extra>",
        )  # fmt: skip
    if not figure.data:
        return None
    figure.update_layout(barmode="overlay", margin={"l": 10, "t": 60}, legend={"traceorder": "normal"})
    figure.update_xaxes(title="seconds since the launch began (s)", rangemode="tozero")
    figure.update_yaxes(automargin=True, showgrid=False)
    return Chart(
        "startup", "Start-up, mark by mark",
        "Each row is one launch; the segment “until ready” ends when the engine's own readiness route "
        "said so; what lies before “created” is the suite's own start and in no number.",
        figure, 130 + 24 * len(rows),
    )  # fmt: skip


def telemetry(subject: Subject, arm: str) -> Chart | None:
    """The median launch of an arm over time; the measured windows are shaded."""
    one = subject.median_launch(arm)
    if one is None or one.telemetry is None or not len(one.telemetry):
        return None
    panels = [panel for panel in _PANELS if panel in _PANELS[:_ALWAYS] or _is_known(subject, panel[2])]
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.18 / len(panels))
    figure.update_layout(blank().layout, overwrite=True)
    drawn = False
    for row, (title, scale, series) in enumerate(panels, start=1):
        for source, entity, metric, name, dash in series:
            t, y = samples(one, source, entity, metric)
            if not len(t):
                continue
            drawn = True
            figure.add_scatter(
                x=floats(t), y=floats(y * scale.factor), mode="lines", name=name, row=row, col=1,
                line={"color": subject.colour(arm), "width": 1.5, "dash": dash},
                hovertemplate=f"%{{y:.4g}} {scale.unit} at %{{x:.1f}} s",
            )  # fmt: skip
        figure.update_yaxes(title=title, row=row, col=1, range=[0, 1.25 * highest(subject, series, scale)])
    if not drawn:
        return None
    for window in one.launch.stages:
        _shade(figure, window)
    figure.update_xaxes(title="seconds since the launch began (s)", row=len(panels), col=1)
    name = plain(arm)
    return Chart(
        f"telemetry-{arm}", f"{name}, launch {one.launch.index}",
        "The shaded spans are the measured windows of the stages; in a fair stage the client stays well below one core "
        "per load process and the queue stands at the stage's concurrency.",
        figure, 140 + 140 * len(panels),
    )  # fmt: skip


def samples(one: LaunchData, source: str, entity: str, metric: str) -> tuple[Any, Any]:
    """A series of a launch, thinned so that no peak or trough is lost."""
    rows = one.telemetry
    if rows is None or not len(rows):
        return np.empty(0), np.empty(0)
    of_metric = rows[(rows["source"] == source) & (rows["metric"] == metric)].sort_values("t_s")
    if entity in (_SUM, _MEAN):
        return thin(*_over_gpus(of_metric, entity), _POINTS)
    picked = of_metric[of_metric["entity"] == entity]
    return thin(picked["t_s"].to_numpy(dtype="float64"), picked["value"].to_numpy(dtype="float64"), _POINTS)


def _over_gpus(rows: Any, how: str) -> tuple[Any, Any]:
    """Over the GPUs at the instants of the first one: each is read some milliseconds after the other."""
    series = [
        (one["t_s"].to_numpy(dtype="float64"), one["value"].to_numpy(dtype="float64"))
        for _, one in rows.groupby("entity")
    ]
    if not series:
        return np.empty(0), np.empty(0)
    t = series[0][0]
    stacked = np.array([np.interp(t, times, values) for times, values in series])
    return t, stacked.sum(axis=0) if how == _SUM else stacked.mean(axis=0)


def thin(t: Any, y: Any, points: int) -> tuple[Any, Any]:
    """At most `points` samples: the lowest and the highest of each of points/2 equal spans."""
    if len(t) <= points:
        return t, y
    keep: set[int] = set()
    for span in np.array_split(np.arange(len(t)), points // 2):
        keep |= {int(span[np.argmin(y[span])]), int(span[np.argmax(y[span])])}
    picked = sorted(keep)
    return t[picked], y[picked]


def _is_known(subject: Subject, series: tuple[Series, ...]) -> bool:
    chosen = [one for arm in subject.arms if (one := subject.median_launch(arm.name))]
    return any(len(samples(one, *names[:3])[0]) for one in chosen for names in series)


def highest(subject: Subject, series: tuple[Series, ...], scale: fmt.Scale) -> float:
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
        text=plain(window.stage), showarrow=False, font={"size": 10, "color": "#57606a"},
    )  # fmt: skip


def _row_name(subject: Subject, launch: Launch) -> str:
    return f'<span style="color:{subject.colour(launch.arm)}">■</span> {plain(launch.arm)} {launch.index}'


def _shades(count: int) -> list[str]:
    low, high = np.array([205, 221, 235]), np.array([22, 60, 98])
    steps = [low + (high - low) * (i / max(1, count - 1)) for i in range(count)]
    return [f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in steps]

"""What GPUs, server, client and engine did under load, over time: all arms on one axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from plotly.subplots import make_subplots

from bench.report import format as fmt
from bench.report.charts import Chart, blank, floats, plain
from bench.report.subject import Subject
from bench.store.reader import LaunchData

_POINTS = 600  # per series at most
_ALWAYS = 3  # panels that every page has
_COUNTERS = frozenset({"disk_read_bytes", "disk_written_bytes", "network_received_bytes", "network_sent_bytes"})
_MB_PER_S = fmt.Scale(1e-6, "MB/s")
# panel title, unit, scale, series: (source, entity, metric, name, dash)
Series = tuple[str, str, str, str, str]
Panel = tuple[str, fmt.Scale, tuple[Series, ...]]
_SUM, _MEAN = "all GPUs together", "mean of the GPUs"  # as entity: of all that the arm has
_PANELS: tuple[Panel, ...] = (
    (
        "CPU (cores)", fmt.Scale(1.0, "cores"),
        (("host", "server", "cpu_cores", "server CPU (cores)", "solid"),
         ("host", "client", "cpu_cores", "client CPU (cores)", "dot")),
    ),
    ("memory (GiB)", fmt.GIB, (("host", "server", "rss_bytes", "server, sum of RSS (GiB)", "solid"),)),
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
_HOST_PANELS: tuple[Panel, ...] = (  # where no GPU was sampled: there the host is what computes
    ("host CPU (%)", fmt.Scale(100.0, "%"), (("host", "host", "cpu_ratio", "all of the host's CPUs (%)", "solid"),)),
    (
        "disk (MB/s)", _MB_PER_S,
        (("host", "host", "disk_read_bytes", "host reads (MB/s)", "solid"),
         ("host", "host", "disk_written_bytes", "host writes (MB/s)", "dot")),
    ),
    (
        "network (MB/s)", _MB_PER_S,
        (("host", "host", "network_received_bytes", "host receives (MB/s)", "solid"),
         ("host", "host", "network_sent_bytes", "host sends (MB/s)", "dot")),
    ),
)  # fmt: skip


def telemetry(subject: Subject) -> Chart | None:
    """The median launch of each arm, from the beginning of its load; the measured windows are shaded."""
    chosen = [(arm.name, one) for arm in subject.arms if (one := subject.median_launch(arm.name)) and one.launch.stages]
    panels = _panels(subject)
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.18 / len(panels))
    figure.update_layout(blank().layout, overwrite=True)
    for row, (title, scale, series) in enumerate(panels, start=1):
        for arm, one in chosen:
            for source, entity, metric, name, dash in series:
                t, y = samples(one, source, entity, metric)
                if not len(t):
                    continue
                figure.add_scatter(
                    x=floats(t - began_s(one)), y=floats(y * scale.factor), mode="lines", row=row, col=1,
                    name=f"{plain(arm)}: {name}", legendgroup=arm,
                    line={"color": subject.colour(arm), "width": 1.5, "dash": dash},
                    hovertemplate=f"%{{y:.4g}} {scale.unit} at %{{x:.1f}} s",
                )  # fmt: skip
        figure.update_yaxes(title=title, row=row, col=1, rangemode="tozero")
    if not figure.data:
        return None
    for place, (arm, one) in enumerate(chosen):
        _shade(figure, one, subject.colour(arm), named=place == 0)
    lasts = [max(window.drain_end_s for window in one.launch.stages) - began_s(one) for _, one in chosen]
    figure.update_xaxes(range=[0, max(lasts)])
    figure.update_xaxes(title="seconds since the load began (s)", row=len(panels), col=1)
    shown = ", ".join(f"{plain(arm)} by launch {one.launch.index}" for arm, one in chosen)
    return Chart(
        "telemetry-over-time", f"Under load: {shown}",
        "Each arm by the launch in the middle of its primary values. The shaded spans are the measured windows of the "
        "stages, in the colour of their arm; in a fair stage the client stays well below one core per load process and "
        "the queue stands at the stage's concurrency. A sum of RSS counts a page once for each process that shares it.",
        figure, 160 + 130 * len(panels) + 12 * len(figure.data),
    )  # fmt: skip


def _panels(subject: Subject) -> list[Panel]:
    """Those that every page has, and what else is known; the host's only where they are all that is."""
    of_gpus = [panel for panel in _PANELS[_ALWAYS:] if _is_known(subject, panel[2])]
    has_gpu = any(series[0] == "gpu" for panel in of_gpus for series in panel[2])
    of_host = [] if has_gpu else [panel for panel in _HOST_PANELS if _is_known(subject, panel[2])]
    return [*_PANELS[:_ALWAYS], *of_gpus, *of_host]


def began_s(one: LaunchData) -> float:
    """When the load of a launch began; seconds since its t0."""
    return min(window.start_s for window in one.launch.stages)


def samples(one: LaunchData, source: str, entity: str, metric: str) -> tuple[Any, Any]:
    """A series of a launch under load, thinned so that no peak or trough is lost; of a counter, its growth a second."""
    rows = one.telemetry
    if rows is None or not len(rows):
        return np.empty(0), np.empty(0)
    under_load = rows["t_s"] >= (began_s(one) if one.launch.stages else 0.0)
    of_metric = rows[under_load & (rows["source"] == source) & (rows["metric"] == metric)].sort_values("t_s")
    if entity in (_SUM, _MEAN):
        return thin(*_over_gpus(of_metric, entity), _POINTS)
    picked = of_metric[of_metric["entity"] == entity]
    t, y = picked["t_s"].to_numpy(dtype="float64"), picked["value"].to_numpy(dtype="float64")
    return thin(*(_rate(t, y) if metric in _COUNTERS else (t, y)), _POINTS)


def _rate(t: Any, y: Any) -> tuple[Any, Any]:
    """Growth a second, at the end of each interval; a card that was taken out and put in again begins anew."""
    grown, took_s = np.diff(y), np.diff(t)
    good = (took_s > 0) & (grown >= 0)
    return t[1:][good], grown[good] / took_s[good]


def _over_gpus(rows: Any, how: str) -> tuple[Any, Any]:
    """Over the GPUs that were read at each instant: a lost one is no longer in the sum, and ends no other's line."""
    series = [
        (one["t_s"].to_numpy(dtype="float64"), one["value"].to_numpy(dtype="float64"))
        for _, one in rows.groupby("entity")
    ]
    if not series:
        return np.empty(0), np.empty(0)
    t = np.unique(np.concatenate([times for times, _ in series]))
    stacked = np.array([_within_its_time(t, times, values) for times, values in series])
    return t, np.nansum(stacked, axis=0) if how == _SUM else np.nanmean(stacked, axis=0)


def _within_its_time(t: Any, times: Any, values: Any) -> Any:
    """A GPU's series at other instants; NaN where it was not read, but for what a turn of reading all GPUs takes."""
    turn_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    read = (t >= times[0] - turn_s) & (t <= times[-1] + turn_s)
    return np.where(read, np.interp(t, times, values), np.nan)


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


def _shade(figure: Any, one: LaunchData, colour: str, *, named: bool) -> None:
    for window in one.launch.stages:
        from_s, to_s = window.window_start_s - began_s(one), window.window_end_s - began_s(one)
        figure.add_vrect(x0=from_s, x1=to_s, fillcolor=colour, opacity=0.07, line_width=0, row="all", col=1)
        if named:
            figure.add_annotation(
                x=(from_s + to_s) / 2, y=1, xref="x", yref="paper", yanchor="top", text=plain(window.stage),
                showarrow=False, font={"size": 10, "color": "#57606a"},
            )  # fmt: skip

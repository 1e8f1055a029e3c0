"""The engines' own counters over measured windows: growth, and the buckets between which a quantile lies.

Counters are differenced between the last sample before the window and the last one in it, so they cover the window up
to the distance of two samples. One that fell (a restart), or that has no sample next to a window's end, is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from bench.analysis.rows import StageRows
from bench.store.reader import LaunchData

_MOST_EDGE_SHARE = 0.25  # of the window may lie between its ends and the samples next to them
_BOUND = "_le_"  # stands between a histogram's name and a bucket's bound in seconds
Series = Mapping[str, pd.DataFrame]  # metric -> the samples of one launch in order of time


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """One pass over a stage, with all that its launch's engine counted."""

    series: Series
    rows: StageRows


@dataclass(frozen=True, slots=True)
class Bracket:
    """The bounds of the bucket that a quantile fell into; `high_s` is None above the last bound."""

    low_s: float
    high_s: float | None


def engine_series(one: LaunchData) -> Series:
    """Every metric that the launch's engine told; empty where it told none."""
    if one.telemetry is None:
        return {}
    rows = one.telemetry[one.telemetry["source"] == "engine"]
    return {str(metric): mine.sort_values("t_s") for metric, mine in rows.groupby("metric", observed=True)}


def shown_by_engine(one: LaunchData) -> set[str]:
    """The names of those metrics."""
    if one.telemetry is None:
        return set()
    return set(one.telemetry.loc[one.telemetry["source"] == "engine", "metric"].astype(str))


def begun_at_zero(series: Series, metrics: Iterable[str]) -> Series:
    """The same with 0 wherever the engine was asked before it showed one of these for the first time.

    For counters only that begin with their first event: of another one a sample that is missing says nothing.
    """
    asked_s = sorted({t_s for samples in series.values() for t_s in samples["t_s"]})
    found = dict(series)
    for metric in metrics if asked_s else ():
        shown = series.get(metric)
        first_s = math.inf if shown is None else shown["t_s"].iloc[0]
        zeros = pd.DataFrame({"t_s": [t_s for t_s in asked_s if t_s < first_s], "value": 0.0})
        found[metric] = zeros if shown is None else pd.concat([zeros, shown]) if len(zeros) else shown
    return found


def grown(windows: list[CountedWindow], metric: str) -> float | None:
    """Growth of a counter, summed over the windows; None where a window has no samples, or the counter fell."""
    total = 0.0
    for one in windows:
        series = one.series.get(metric)
        if series is None:
            return None
        start_s, end_s = one.rows.window.window_start_s, one.rows.window.window_end_s
        before, until = series[series["t_s"] <= start_s], series[series["t_s"] <= end_s]
        if before.empty or len(until) == len(before):
            return None
        edges_s = (start_s - before["t_s"].iloc[-1]) + (end_s - until["t_s"].iloc[-1])
        growth = float(until["value"].iloc[-1] - before["value"].iloc[-1])
        if growth < 0 or edges_s > _MOST_EDGE_SHARE * one.rows.length_s:
            return None
        total += growth
    return total


def over(windows: list[CountedWindow], metric: str, reduce: Callable[[list[float]], float]) -> float | None:
    """One number of a gauge's samples within the windows; None where there are none."""
    values: list[float] = []
    for one in windows:
        series = one.series.get(metric)
        if series is None:
            continue
        inside = series[series["t_s"].between(one.rows.window.window_start_s, one.rows.window.window_end_s)]
        values += inside["value"].tolist()
    return reduce(values) if values else None


def quantile_bracket(windows: list[CountedWindow], histogram: str, p: int, *, least: float) -> Bracket | None:
    """Between which bounds the p-th percentile of what was counted in the windows lies, never a point within.

    `least`: fewer observations carry no such percentile. A bucket that a window does not know is left out: the ones
    beside it count cumulatively, so the bracket is wider and still right. None where counts contradict each other.
    """
    count = grown(windows, f"{histogram}_count")
    if count is None or count < least:
        return None
    known = [
        (bound, below) for bound, name in _buckets(windows, histogram) if (below := grown(windows, name)) is not None
    ]
    belows = [below for _, below in known]
    if not known or belows != sorted(belows) or belows[-1] > count:
        return None
    low_s = 0.0
    for bound_s, below in known:
        if below >= p / 100 * count:
            return Bracket(low_s, bound_s)
        low_s = bound_s
    return Bracket(low_s, None)


def _buckets(windows: list[CountedWindow], histogram: str) -> list[tuple[float, str]]:
    """Bound and name of each bucket, from the smallest on."""
    start = f"{histogram}{_BOUND}"
    names = {name for one in windows for name in one.series if name.startswith(start)}
    return sorted((float(name.removeprefix(start)), name) for name in names)

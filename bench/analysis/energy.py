"""Joules that the GPUs took in one window: the difference of the card's own counter, with integrated power beside it.

The counter is the truth: it misses no burst between two samples. It is renewed every 20 to 100 ms, so its value at an
edge of the window lies between two renewals; it is taken on the straight line between them, and what the two renewals
differ by is the most that the edge can be wrong. Power integrated over samples checks it: the two differ by little
under load, and a difference says that one of them is not what it seems. GPU boards alone: neither the host nor the
wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SOURCE = "gpu"
MOST_STILL_S = 1.0  # that the counter may stand still: ten times the slowest renewal known
MOST_GAP_S = 1.0  # between two samples of power: a longer one is no integral
DISAGREE = 0.03  # between counter and integral: at more one of them is wrong


@dataclass(frozen=True, slots=True)
class Energy:
    """Of all GPUs of an arm over one window."""

    joules: float | None  # None = `problem` says why
    edge_error_j: float  # the most by which the two edges can be wrong
    integrated_j: float | None  # None = power was not sampled closely enough
    problem: str | None = None

    @property
    def disagreement(self) -> float | None:
        """Integral over counter, minus 1."""
        if not self.joules or self.integrated_j is None:
            return None
        return self.integrated_j / self.joules - 1


def energy_of(rows: pd.DataFrame, start_s: float, end_s: float) -> Energy | None:
    """Of the rows with the source `gpu`; None where there are none."""
    entities = rows.loc[rows["metric"].isin(["energy_j", "power_w"]), "entity"].unique()
    if not len(entities):
        return None
    joules = edge_j = 0.0
    integrated: float | None = 0.0
    for uuid in sorted(map(str, entities)):
        mine = rows[rows["entity"] == uuid]
        found = by_counter(_series(mine, "energy_j"), start_s, end_s)
        area = by_power(_series(mine, "power_w"), start_s, end_s)
        integrated = None if area is None or integrated is None else integrated + area
        if isinstance(found, str):
            return Energy(None, 0.0, integrated, f"{uuid}: {found}")
        joules, edge_j = joules + found[0], edge_j + found[1]
    return Energy(joules, edge_j, integrated)


def by_counter(series: tuple[Any, Any], start_s: float, end_s: float) -> tuple[float, float] | str:
    """Joules and the most that the edges can be wrong by; a text where the counter says nothing of this window."""
    t, energy = series
    if not len(t):
        return "the card has no energy counter"
    if t[0] > start_s or t[-1] < end_s:
        return "the samples do not reach over the window"
    first, last = np.searchsorted(t, start_s, "right") - 1, np.searchsorted(t, end_s, "left")
    inside = energy[first : last + 1]
    if (np.diff(inside) < 0).any():
        return "the counter began again within the window: the driver was loaded anew, or the GPU was reset"
    renewed = np.flatnonzero(np.diff(energy, prepend=np.nan) > 0)  # samples that saw a new value first
    before, after = renewed[t[renewed] <= start_s], renewed[t[renewed] >= end_s]
    if not len(before) or not len(after):
        return "the counter stood still at an edge of the window"
    points = renewed[(renewed >= before[-1]) & (renewed <= after[0])]
    still_s = float(np.diff(t[points]).max())
    if still_s > MOST_STILL_S:
        return f"the counter stood still for {still_s:.2g} s"
    at = np.interp([start_s, end_s], t[points], energy[points])
    return float(at[1] - at[0]), _edge(t, energy, points, start_s) + _edge(t, energy, points, end_s)


def _edge(t: Any, energy: Any, points: Any, at_s: float) -> float:
    """What the renewals around an instant differ by; 0 at a renewal itself."""
    place = int(np.searchsorted(t[points], at_s, "left"))
    if place == 0 or t[points][place] == at_s:
        return 0.0
    return float(energy[points][place] - energy[points][place - 1])


def by_power(series: tuple[Any, Any], start_s: float, end_s: float) -> float | None:
    """Joules under the samples of power, straight between them."""
    t, power = series
    if len(t) < 2 or t[0] > start_s or t[-1] < end_s:
        return None
    inside = (t > start_s) & (t < end_s)
    times = np.concatenate([[start_s], t[inside], [end_s]])
    first, last = np.searchsorted(t, start_s, "right") - 1, np.searchsorted(t, end_s, "left")
    if float(np.diff(t[first : last + 1]).max()) > MOST_GAP_S:
        return None
    return float(np.trapezoid(np.interp(times, t, power), times))


def _series(rows: pd.DataFrame, metric: str) -> tuple[Any, Any]:
    mine = rows[rows["metric"] == metric].sort_values("t_s")
    return mine["t_s"].to_numpy(dtype="float64"), mine["value"].to_numpy(dtype="float64")


def gpu_rows(telemetry: pd.DataFrame | None) -> pd.DataFrame | None:
    """The rows of GPUs; None where there are none."""
    if telemetry is None:
        return None
    rows = telemetry[telemetry["source"] == SOURCE]
    return rows if len(rows) else None


def cut_gpus(host: Mapping[str, Any], uuids: set[str]) -> list[str]:
    """Those that MIG has cut into instances: their power and energy are the whole card's, not the arm's."""
    return sorted(one["uuid"] for one in host.get("gpus") or () if one.get("uuid") in uuids and one.get("mig"))

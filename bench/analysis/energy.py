"""Joules that the GPUs took in one window: the difference of the card's own counter, with integrated power beside it.

The counter is preferred because it is the card's own integral: power that is read now and then is none, for on A100
and H100 the sensor looks at a quarter of the time (arXiv 2312.02741), and a load whose period is near the sensor's is
seen always in the same phase (aliasing). How the counter comes about NVIDIA does not say. Power integrated over
samples checks it: under load Zeus's author found the two within 1 % (Zeus, issue 12), on an idle card 187 J against
327 J (issue 181). They may share one sensor, so that they agree proves less than that they disagree. Each GPU is
checked by itself, for errors of opposite sign cancel in a sum. GPU boards alone: neither the host nor the wall.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.analysis.counter import MOST_GAP_S, Series, by_counter

if TYPE_CHECKING:
    from bench.model import Scenario

SOURCE = "gpu"
DISAGREE = 0.03  # between counter and integral of one GPU: at more one of them is wrong
_MODULE = "its one counter is the whole module's, processor included"


@dataclass(frozen=True, slots=True)
class Energy:
    """Of all GPUs of an arm over one window."""

    joules: float | None  # None = `problem` says why
    edge_error_j: float  # the most by which the edges can be wrong, of all GPUs together
    integrated_j: float | None  # None = power was not sampled closely enough on every GPU
    problem: str | None = None
    apart: Mapping[str, float] = field(default_factory=dict)  # UUID -> integral over counter, minus 1

    @property
    def disagreement(self) -> tuple[str, float] | None:
        """The GPU whose integral is farthest from its counter, and by how much; None where none could be checked."""
        return max(self.apart.items(), key=lambda one: abs(one[1]), default=None)


def energy_of(rows: pd.DataFrame, start_s: float, end_s: float, devices: Collection[str] = ()) -> Energy | None:
    """Of the rows with the source `gpu`, over every one of `devices`; without these over the GPUs that were sampled.

    None where there is neither. One GPU without a number takes it from all: the rest is not what the arm took.
    """
    uuids = sorted(set(devices) or {entity for entity in map(str, rows["entity"].unique()) if "/" not in entity})
    if not uuids:
        return None
    joules = edge_j = 0.0
    integrated: float | None = 0.0
    problems, apart = [], {}
    for uuid in uuids:
        mine = rows[rows["entity"] == uuid]
        found = _of_gpu(mine, start_s, end_s)
        area = by_power(_series(mine, "power_w"), start_s, end_s)
        integrated = None if area is None or integrated is None else integrated + area
        if isinstance(found, str):
            problems.append(f"{uuid}: {found}")
            continue
        joules, edge_j = joules + found[0], edge_j + found[1]
        if area is not None:
            apart[uuid] = area / found[0] - 1
    if problems:
        return Energy(None, 0.0, integrated, "; ".join(problems), apart)
    return Energy(joules, edge_j, integrated, None, apart)


def _of_gpu(mine: pd.DataFrame, start_s: float, end_s: float) -> tuple[float, float] | str:
    metrics = set(mine["metric"])
    if "energy_j" not in metrics:
        if "module_energy_j" in metrics:
            return _MODULE
        return "the card has no energy counter" if "power_w" in metrics else "neither energy nor power was sampled"
    return by_counter(_series(mine, "energy_j"), start_s, end_s)


def by_power(series: Series, start_s: float, end_s: float) -> float | None:
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


def _series(rows: pd.DataFrame, metric: str) -> Series:
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


def is_elsewhere(scenario: Scenario, arm: str) -> bool:
    """Whether the arm is served at a `url`: nobody says on which cards."""
    return any(one.url is not None for one in scenario.arms if one.name == arm)

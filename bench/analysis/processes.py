"""The host as a hidden third arm: a process of the server that fills a core may be what is measured, not the GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding, StageWindow
from bench.vocabulary import Severity

FULL_CORE = 0.90  # of one core, mean over a window
THROTTLED = 0.01  # of a window
_GROUP = "server"


def full_cores(numbers: Numbers) -> Iterator[Finding]:
    """Arms on a GPU alone: where the processor computes, its cores are meant to be full."""
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    for one in numbers.kept:
        if not one.launch.devices or one.telemetry is None:
            continue
        for window in one.launch.stages:
            key = (one.launch.arm, window.stage)
            for name, cores in process_cores(one.telemetry, window).items():
                worst[key] = max(worst.get(key, (0.0, "")), (cores, name))
    for (arm, stage), (cores, name) in worst.items():
        if cores >= FULL_CORE:
            yield Finding(
                id="server-process-fills-a-core",
                severity=Severity.WARN,
                at={"stage": stage},
                arm=arm,
                text=f"The server's process {name} used {percent(cores)} of one core over a window: the ratio may "
                "compare Python, not GPUs.",
                next="Look at the GPU's activity in the same window; give the server faster or more cores.",
            )


def held_back(numbers: Numbers) -> Iterator[Finding]:
    """Containers whose CPU quota took time away from them in a window."""
    worst: dict[tuple[str, str], float] = {}
    for one in numbers.kept:
        for window in one.launch.stages if one.telemetry is not None else ():
            share = throttled_ratio(one.telemetry, window)
            key = (one.launch.arm, window.stage)
            worst[key] = max(worst.get(key, 0.0), share)
    for (arm, stage), share in worst.items():
        if share > THROTTLED:
            yield Finding(
                id="container-throttled",
                severity=Severity.WARN,
                at={"stage": stage},
                arm=arm,
                text=f"Its CPU quota held the container back for {percent(share)} of a window: the quota is part of "
                "what was measured.",
                next="Raise or remove the quota, or give every arm the same one knowingly.",
            )


def throttled_ratio(telemetry: pd.DataFrame, window: StageWindow) -> float:
    """Time held back over the window's length; several threads held back at once count each."""
    mine = telemetry[
        (telemetry["entity"] == "container")
        & (telemetry["metric"] == "cpu_throttled_s")
        & telemetry["t_s"].between(window.window_start_s, window.window_end_s)
    ]["value"]
    length_s = window.window_end_s - window.window_start_s
    return float(mine.max() - mine.min()) / length_s if len(mine) > 1 and length_s > 0 else 0.0


def process_cores(telemetry: pd.DataFrame, window: StageWindow) -> dict[str, float]:
    """`name` of each busy process of the server -> cores, mean over the window; a sample without a row of it is 0."""
    inside = telemetry[
        (telemetry["metric"] == "cpu_cores") & telemetry["t_s"].between(window.window_start_s, window.window_end_s)
    ]
    samples = int((inside["entity"] == _GROUP).sum())
    apart = inside[inside["entity"].str.startswith(f"{_GROUP}/")]
    if not samples:
        return {}
    sums = apart.groupby("entity")["value"].sum()
    return {str(entity).partition(" ")[2]: float(total) / samples for entity, total in sums.sort_values().items()}


CHECKS = (full_cores, held_back)

"""Passes that do not count, because the card was held back, was not the arm's alone or failed."""

from __future__ import annotations

import pandas as pd

from bench.analysis.energy import gpu_rows
from bench.record import Launch, StageWindow

POWER_CAP = 0x4  # no fault: usual at full load, and part of the result
_SLOWED = {  # bits and times of slowing down that nobody chose: a pass with them is not like the others
    0x8: "hardware slowdown", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "power brake",
}  # fmt: skip
_SLOWED_TIMES = {
    "throttled_sw_thermal_s": "heat (software)", "throttled_hw_thermal_s": "heat (hardware)",
    "throttled_hw_brake_s": "power brake",
}  # fmt: skip
UNCORRECTED = "ecc_uncorrected"
_LEAST_S = 0.001  # of slowing down that counts


def within(rows: pd.DataFrame, window: StageWindow) -> pd.DataFrame:
    """The rows of a pass's window."""
    return rows[rows["t_s"].between(window.window_start_s, window.window_end_s)]


def event_bits(inside: pd.DataFrame) -> pd.Series:
    """NVML's clocks event reasons, sample by sample."""
    return inside.loc[inside["metric"] == "clocks_event_bits", "value"].astype("int64")


def held_back(inside: pd.DataFrame) -> list[str]:
    """What slowed the card down within the window, in words; power that was merely at its limit is not among them."""
    bits = event_bits(inside)
    causes = {cause for bit, cause in _SLOWED.items() if (bits & bit).any()}
    return sorted(causes | {cause for metric, cause in _SLOWED_TIMES.items() if _grew(inside, metric)})


def intruders(telemetry: pd.DataFrame, launch: Launch) -> pd.DataFrame:
    """Rows of processes on the GPU beside the arm's own under load; none where the driver does not list processes.

    The arm's are those that the host's sampler found below its first one. Where none of them is on the GPU (the driver
    counts processes in another namespace, or nothing was said of them) they are those that were there before the load.
    """
    held = telemetry[telemetry["metric"] == "process_memory_bytes"]
    if held.empty or not launch.stages:
        return held.iloc[:0]
    begin_s = min(window.warm_end_s for window in launch.stages)
    end_s = max(window.window_end_s for window in launch.stages)
    pids = held["entity"].str.rpartition("/")[2].astype("int64")
    own = held["entity"][pids.isin(_server_pids(telemetry))]
    if own.empty:
        own = held["entity"][held["t_s"] < begin_s]
    return held[held["t_s"].between(begin_s, end_s) & ~held["entity"].isin(own)] if len(own) else held.iloc[:0]


def _server_pids(telemetry: pd.DataFrame) -> pd.Series:
    mine = (telemetry["source"] == "host") & (telemetry["entity"] == "server") & (telemetry["metric"] == "pid")
    return telemetry.loc[mine, "value"].astype("int64")


def void_reason(telemetry: pd.DataFrame | None, window: StageWindow, launch: Launch) -> str | None:
    """Why a pass over a stage must not count."""
    rows = gpu_rows(telemetry)
    if telemetry is None or rows is None:
        return None
    if causes := held_back(within(rows, window)):
        return f"the GPU was held back: {', '.join(causes)}"
    if len(within(intruders(telemetry, launch), window)):
        return "another process was on the GPU"
    if grown(rows[rows["t_s"] <= window.window_end_s], UNCORRECTED):
        return "memory of the GPU failed"
    return None


def grown(rows: pd.DataFrame, metric: str) -> float:
    """Over all GPUs; a counter that falls was reset, and what it says since then counts."""
    of_cards = rows[rows["metric"] == metric].sort_values("t_s").groupby("entity")["value"]
    return float(sum(one.diff().clip(lower=0).sum() for _, one in of_cards))


def _grew(rows: pd.DataFrame, metric: str) -> bool:
    mine = rows[rows["metric"] == metric]
    return any(one.max() - one.min() > _LEAST_S for _, one in mine.groupby("entity")["value"])

"""Passes that do not count, because the card was held back, was not the arm's alone or failed."""

from __future__ import annotations

import pandas as pd

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


def intruders(rows: pd.DataFrame, launch: Launch) -> pd.DataFrame:
    """Rows of processes that came onto the GPU after the arm's own; none where the driver does not list processes."""
    if not launch.stages:
        return rows.iloc[:0]
    begin_s = min(window.warm_end_s for window in launch.stages)
    end_s = max(window.window_end_s for window in launch.stages)
    held = rows[rows["metric"] == "process_memory_bytes"]
    before = set(held.loc[held["t_s"] < begin_s, "entity"])
    return held[held["t_s"].between(begin_s, end_s) & ~held["entity"].isin(before)] if before else held.iloc[:0]


def void_reason(rows: pd.DataFrame | None, window: StageWindow, launch: Launch) -> str | None:
    """Why a pass over a stage must not count."""
    if rows is None:
        return None
    if causes := held_back(within(rows, window)):
        return f"the GPU was held back: {', '.join(causes)}"
    if len(within(intruders(rows, launch), window)):
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

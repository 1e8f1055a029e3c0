"""Passes over a stage that must not count: their GPU was held back, was not the arm's alone, failed or was lost.

Both halves ask: a launch with such a pass is measured once more, and a pass that stays so gives no number. Frames are
rows of telemetry (t_s, source, entity, metric, value), as DESIGN lays telemetry.parquet out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bench.record import StageWindow

POWER_CAP = 0x4  # no fault: usual at full load, and part of the result
UNCORRECTED = "ecc_uncorrected"
FATAL_XIDS = {
    48: "uncorrectable memory error",
    79: "fell off the bus",
    94: "contained memory error",
    95: "uncontained memory error",
}  # fmt: skip - NVIDIA's catalogue of XID errors; others may be a program's
MOST_SLOWED = 0.001  # of a window: a thousandth of the time moves no number by more than a thousandth
SEEN_OFTEN = 0.05  # of the samples: a counter that misses this does not count
_SCANNED_S = 2.5  # a process of the arm that lives this long was seen by the host's sampler, which looks every 2 s
# What held the clocks down: the metrics that count its time, and the bit that shows it where nothing counts
_CAUSES = (
    ("heat (software)", ("throttled_sw_thermal_s", "throttled_thermal_s"), 0x20),
    ("heat (hardware)", ("throttled_hw_thermal_s",), 0x40),
    ("power brake", ("throttled_hw_brake_s",), 0x80),
    ("hardware slowdown", ("throttled_hw_thermal_s", "throttled_hw_brake_s"), 0x8),  # says either of the two above
)


def void_reason(
    telemetry: pd.DataFrame | None, window: StageWindow, stages: Sequence[StageWindow], lost: Mapping[str, str]
) -> str | None:
    """Why a pass must not count; `stages` of its launch, `lost` GPUs as the sampler's report names them."""
    if telemetry is None:
        return None
    rows = telemetry[telemetry["source"] == "gpu"]
    if rows.empty:
        return None
    slowed = {cause: share for cause, share in held_back(rows, window).items() if share > MOST_SLOWED}
    if slowed:
        return f"the GPU was held back: {', '.join(sorted(slowed))}"
    if len(within(intruders(telemetry, stages), window)):
        return "another process was on the GPU"
    return next(_broken(rows, window, lost), None)


def held_back(rows: pd.DataFrame, window: StageWindow) -> dict[str, float]:
    """Cause -> share of the window, of the GPU that it held back most; counted time where the card counts it."""
    length_s = window.window_end_s - window.window_start_s
    found: dict[str, float] = {}
    for _, card in rows.groupby("entity"):
        for cause, metrics, bit in _CAUSES:
            counted = [card[card["metric"] == metric] for metric in metrics]
            known = [one for one in counted if len(one)]
            seen = _share_of_bit(card, window, bit)
            if not known or seen >= SEEN_OFTEN:
                share = seen
            elif cause == "hardware slowdown" or length_s <= 0:
                continue  # its two kinds are counted under their own names
            else:
                share = max(_grown(one, window) for one in known) / length_s
            if share > 0:
                found[cause] = max(share, found.get(cause, 0.0))
    return found


def intruders(telemetry: pd.DataFrame, stages: Sequence[StageWindow]) -> pd.DataFrame:
    """Rows of processes on the GPU beside the arm's own under load; none where the driver does not list processes.

    The arm's are those that the host's sampler found below its first one, and those that are gone before it looks
    again. Where none of them is on the GPU (the driver counts processes in another namespace, or nothing was said of
    them) they are those that were there before the load; where the driver gives only a number, it must not grow.
    """
    if not stages:
        return telemetry.iloc[:0]
    begin_s = min(window.warm_end_s for window in stages)
    end_s = max(window.window_end_s for window in stages)
    held = telemetry[telemetry["metric"] == "process_memory_bytes"]
    if held.empty:
        return _more_than_before(telemetry[telemetry["metric"] == "processes"], begin_s, end_s)
    pids = held["entity"].str.rpartition("/")[2].astype("int64")
    own = set(held["entity"][pids.isin(_server_pids(telemetry))])
    if own:
        lived_s = held.groupby("entity")["t_s"].agg(np.ptp)
        own |= set(lived_s[lived_s < _SCANNED_S].index)
    else:
        own = set(held["entity"][held["t_s"] < begin_s])
    return held[held["t_s"].between(begin_s, end_s) & ~held["entity"].isin(own)] if own else held.iloc[:0]


def within(rows: pd.DataFrame, window: StageWindow) -> pd.DataFrame:
    """The rows of a pass's window."""
    return rows[rows["t_s"].between(window.window_start_s, window.window_end_s)]


def event_bits(inside: pd.DataFrame) -> pd.Series:
    """NVML's clocks event reasons, sample by sample."""
    return inside.loc[inside["metric"] == "clocks_event_bits", "value"].astype("int64")


def grown(rows: pd.DataFrame, metric: str) -> float:
    """Over all GPUs; a counter that falls was reset, and what it says since then counts."""
    of_cards = rows[rows["metric"] == metric].sort_values("t_s").groupby("entity")["value"]
    return float(sum(one.diff().clip(lower=0).sum() for _, one in of_cards))


def _broken(rows: pd.DataFrame, window: StageWindow, lost: Mapping[str, str]) -> Iterator[str]:
    """What failed before the window's end; errors are read once a second, so up to the first sample after it."""
    counted = rows[rows["metric"] == UNCORRECTED]
    after = counted.loc[counted["t_s"] >= window.window_end_s, "t_s"]
    if grown(counted[counted["t_s"] <= (after.min() if len(after) else window.window_end_s)], UNCORRECTED):
        yield "memory of the GPU failed"
    codes = rows.loc[(rows["metric"] == "xid") & (rows["t_s"] <= window.window_end_s), "value"]
    for code in sorted({int(code) for code in codes} & set(FATAL_XIDS)):
        yield f"the GPU reported XID {code} ({FATAL_XIDS[code]})"
    for uuid in lost:
        seen = rows.loc[rows["entity"] == uuid, "t_s"]
        if len(seen) and seen.max() < window.window_end_s:
            yield "the GPU was lost"


def _share_of_bit(card: pd.DataFrame, window: StageWindow, bit: int) -> float:
    bits = event_bits(within(card, window))
    return float((bits & bit).astype(bool).mean()) if len(bits) else 0.0


def _grown(counter: pd.DataFrame, window: StageWindow) -> float:
    """From the last sample before the window to the first after it, falls left out."""
    ordered = counter.sort_values("t_s")
    t, values = ordered["t_s"].to_numpy(), ordered["value"].to_numpy()
    first = max(int(np.searchsorted(t, window.window_start_s, "right")) - 1, 0)
    last = int(np.searchsorted(t, window.window_end_s, "left"))
    return float(np.diff(values[first : last + 1]).clip(min=0).sum())


def _more_than_before(counts: pd.DataFrame, begin_s: float, end_s: float) -> pd.DataFrame:
    before = counts[counts["t_s"] < begin_s].groupby("entity")["value"].max()
    if before.empty:
        return counts.iloc[:0]
    usual = counts["entity"].map(before).astype("float64")
    return counts[counts["t_s"].between(begin_s, end_s) & (counts["value"] > usual)]


def _server_pids(telemetry: pd.DataFrame) -> pd.Series:
    mine = (telemetry["source"] == "host") & (telemetry["entity"] == "server") & (telemetry["metric"] == "pid")
    return telemetry.loc[mine, "value"].astype("int64")

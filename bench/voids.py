"""Passes over a stage that must not count: their GPU was held back, was not the arm's alone, failed or was lost.

Both halves ask: a launch with such a pass is measured once more, and a pass that stays so gives no number. Frames are
rows of telemetry (t_s, source, entity, metric, value), as DESIGN lays telemetry.parquet out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

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
BAND_C = 3.0  # that a card may be warmer than before another launch: the band of published protocols
SLOWED_BITS = {0x8: "hardware slowdown", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "power brake"}
_LOOKS_EVERY_S = 2.0  # the host's sampler for the arm's processes, at the next of its samples
_COUNTED = {  # by which metrics the time of each is counted; a hardware slowdown is either of the two below it
    0x20: ("throttled_sw_thermal_s", "throttled_thermal_s"),
    0x40: ("throttled_hw_thermal_s",),
    0x80: ("throttled_hw_brake_s",),
    0x8: ("throttled_hw_thermal_s", "throttled_hw_brake_s"),
}
_EITHER = 0x8
_JUDGED = {"clocks_event_bits", "xid", UNCORRECTED, *(metric for names in _COUNTED.values() for metric in names)}


def void_reasons(
    telemetry: pd.DataFrame | None, stages: Sequence[StageWindow], lost: Collection[str]
) -> tuple[str | None, ...]:
    """Why each pass of a launch must not count, None where it counts; `lost` GPUs as `lost_gpus` names them."""
    rows = telemetry[telemetry["source"] == "gpu"] if telemetry is not None else None
    if telemetry is None or rows is None or rows.empty:
        return (None,) * len(stages)
    judged, strangers = rows[rows["metric"].isin(_JUDGED)], intruders(telemetry, stages)
    ends_s = [rows.loc[rows["entity"] == uuid, "t_s"].max() for uuid in lost]
    return tuple(_reason(judged, strangers, ends_s, window) for window in stages)


def lost_gpus(client: Mapping[str, Any]) -> tuple[str, ...]:
    """UUIDs of which nothing more could be asked, as the sampler's report in `Launch.client` says."""
    sampler = client.get("sampler") or {}
    return tuple(sampler.get("gpu_lost") or ())


def _reason(rows: pd.DataFrame, strangers: pd.DataFrame, ends_s: Sequence[float], window: StageWindow) -> str | None:
    slowed = {cause: share for cause, share in held_back(rows, window).items() if share > MOST_SLOWED}
    if slowed:
        return f"the GPU was held back: {', '.join(sorted(slowed))}"
    if len(within(strangers, window)):
        return "another process was on the GPU"
    if any(end_s < window.window_end_s for end_s in ends_s):
        return "the GPU was lost"
    return next(_broken(rows, window), None)


def held_back(rows: pd.DataFrame, window: StageWindow) -> dict[str, float]:
    """Cause -> share of the window, of the GPU that it held back most; counted time where the card counts it."""
    length_s = window.window_end_s - window.window_start_s
    found: dict[str, float] = {}
    for _, card in rows.groupby("entity"):
        for bit, metrics in _COUNTED.items():
            counted = [card[card["metric"] == metric] for metric in metrics]
            known = [one for one in counted if len(one)]
            seen = _share_of_bit(card, window, bit)
            if not known or seen >= SEEN_OFTEN:
                share = seen
            elif bit == _EITHER or length_s <= 0:
                continue  # its two kinds are counted under their own names
            else:
                share = max(_grown(one, window) for one in known) / length_s
            if share > 0:
                found[SLOWED_BITS[bit]] = max(share, found.get(SLOWED_BITS[bit], 0.0))
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
        own |= set(lived_s[lived_s < _unseen_s(telemetry)].index)
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


def _broken(rows: pd.DataFrame, window: StageWindow) -> Iterator[str]:
    """What failed before the window's end; errors are read once a second, so up to the first sample after it."""
    counted = rows[rows["metric"] == UNCORRECTED]
    after = counted.loc[counted["t_s"] >= window.window_end_s, "t_s"]
    if grown(counted[counted["t_s"] <= (after.min() if len(after) else window.window_end_s)], UNCORRECTED):
        yield "memory of the GPU failed"
    codes = rows.loc[(rows["metric"] == "xid") & (rows["t_s"] <= window.window_end_s), "value"]
    for code in sorted({int(code) for code in codes} & set(FATAL_XIDS)):
        yield f"the GPU reported XID {code} ({FATAL_XIDS[code]})"


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


def _unseen_s(telemetry: pd.DataFrame) -> float:
    """For how long a process of the arm may be there before the host's sampler has named it."""
    mine = (telemetry["source"] == "host") & (telemetry["entity"] == "server") & (telemetry["metric"] == "rss_bytes")
    gaps_s = np.diff(np.sort(telemetry.loc[mine, "t_s"].to_numpy()))
    return _LOOKS_EVERY_S + 2 * (float(gaps_s.max()) if len(gaps_s) else 0.5)


def _server_pids(telemetry: pd.DataFrame) -> pd.Series:
    mine = (telemetry["source"] == "host") & (telemetry["entity"] == "server") & (telemetry["metric"] == "pid")
    return telemetry.loc[mine, "value"].astype("int64")

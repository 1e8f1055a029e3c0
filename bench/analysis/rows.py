"""The rows of one pass over one stage, and what each row says: the latencies and their percentiles.

Percentiles interpolate linearly between order statistics (type 7: numpy's, and so vLLM's and AIPerf's, default).
The least rows are where the largest order statistic first bounds the true percentile from above with 95 %
confidence, 1 - q^n >= 0.95: 5 rows for p50, 29 for p90, 299 for p99, the last two rounded up. Below: None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.energy import Energy, energy_of
from bench.record import StageWindow
from bench.vocabulary import Phase, RequestStatus

PERCENTILE_ROWS = {50: 5, 90: 30, 99: 300}


@dataclass(frozen=True)
class StageRows:
    """One pass over one stage within one launch."""

    all: pd.DataFrame  # every request of the stage and round, whatever its phase
    window: StageWindow
    gpu: pd.DataFrame | None = None  # telemetry rows of the arm's GPUs over the whole launch, where any were sampled
    devices: tuple[str, ...] = ()  # UUIDs of all that the launch had; () = not known, those that were sampled
    idle_w: float | None = None  # of those GPUs together with no arm, mean over the launches of the block
    void_reason: str | None = None  # why this pass must not count

    @cached_property
    def energy(self) -> Energy | None:
        """What the GPUs took in the window; None without a GPU."""
        if self.gpu is None:
            return None
        return energy_of(self.gpu, self.window.window_start_s, self.window.window_end_s, self.devices)

    @cached_property
    def measured(self) -> pd.DataFrame:
        """Rows that started in the window."""
        return self.all[self.all["phase"] == Phase.WINDOW]

    @cached_property
    def ok(self) -> pd.DataFrame:
        """Rows that started in the window and ended well: the ones that carry latencies."""
        rows = self.measured
        return rows[rows["status"] == RequestStatus.OK]

    @cached_property
    def latencies_s(self) -> dict[str, pd.Series]:
        """What `ok` says, by the name of the latency."""
        return {"ttft": ttft_s(self.ok), "tpot": tpot_s(self.ok), "e2e": e2e_s(self.ok)}

    @cached_property
    def answered(self) -> float:
        """Requests that ended well, each by the share of its tokens that arrived inside the window.

        Streams of equal lengths stay in step, so whole endings would count the phase in which the window cut them:
        the same in every launch of an arm, and so with an interval that hides it. A row whose tokens are not known
        counts whole, where it ended.
        """
        good = self.all[self.all["status"] == RequestStatus.OK]
        ended = good["last_token_s"].between(self.window.window_start_s, self.window.window_end_s)
        asked = good["output_tokens"].where(good["output_tokens"] > 0)
        share = (good["window_tokens"] / asked).astype("float64").clip(upper=1.0)
        return float(share.fillna(ended.astype("float64")).sum())

    @property
    def length_s(self) -> float:
        """Length of the window."""
        return self.window.window_end_s - self.window.window_start_s


def stage_rows(requests: pd.DataFrame, window: StageWindow, **known: Any) -> StageRows:
    """The rows of one pass over one stage; `known` of its GPUs, by the fields of StageRows."""
    mine = (requests["stage"] == window.stage) & (requests["round"] == window.round)
    return StageRows(requests[mine], window, **known)


def sent_s(rows: pd.DataFrame) -> pd.Series:
    """The instant from which a request waits: its planned time in an open loop, else its first byte sent."""
    return rows["scheduled_s"].fillna(rows["start_s"]) if "scheduled_s" in rows else rows["start_s"]


def ttft_s(rows: pd.DataFrame) -> pd.Series:
    """Time to first token of each row."""
    return rows["first_token_s"] - sent_s(rows)


def tpot_s(rows: pd.DataFrame) -> pd.Series:
    """Time per output token of each row after its first; undefined for answers of one token."""
    later_tokens = rows["output_tokens"] - 1
    return (rows["last_token_s"] - rows["first_token_s"]) / later_tokens.where(later_tokens >= 1)


def e2e_s(rows: pd.DataFrame) -> pd.Series:
    """Time from sending to the last token of each row."""
    return rows["last_token_s"] - sent_s(rows)


def percentile(values: pd.Series, p: int) -> float | None:
    """The p-th percentile by linear interpolation; None where the count cannot carry it."""
    known = values.to_numpy(dtype=float, na_value=math.nan)
    known = known[~np.isnan(known)]
    return float(np.percentile(known, p)) if len(known) >= PERCENTILE_ROWS[p] else None

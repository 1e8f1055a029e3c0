"""What the host does to its servers: a container's CPU quota, and a governor that lets clocks follow the load."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding, StageWindow
from bench.vocabulary import Severity
from bench.voids import grown, within

THROTTLED = 0.01  # of the periods of a window


def quota_used_up(numbers: Numbers) -> Iterator[Finding]:
    """Containers whose CPU quota was used up in a window."""
    worst: dict[tuple[str, str], float] = {}
    for one in numbers.kept:
        for window in numbers.windows(one) if one.telemetry is not None else ():
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
                text=f"Its CPU quota held the container back in {percent(share)} of its periods of a window: the quota "
                "is part of what was measured.",
                next="Raise or remove the quota, or give every arm the same one knowingly.",
            )


def throttled_ratio(telemetry: pd.DataFrame, window: StageWindow) -> float:
    """Periods in which the quota was used up, of all within the window.

    The time held back is of every processor's queue, so it would exceed the time that passed.
    """
    inside = within(telemetry[telemetry["entity"] == "container"], window)
    all_periods, throttled = (grown(inside, name) for name in ("cpu_periods", "cpu_throttled_periods"))
    return throttled / all_periods if all_periods else 0.0


def governor(numbers: Numbers) -> Iterator[Finding]:
    """Clocks that follow the load: a process that wakes for each token meets a slow core."""
    host = numbers.data.run.host
    found, preferred = host.get("cpu_governor"), host.get("cpu_energy_preference")
    if isinstance(found, str) and found != "performance":
        yield Finding(
            id="cpu-governor",
            severity=Severity.WARN,
            text=f"The processors' clocks are governed by {found}{f' ({preferred})' if preferred else ''}, not by "
            "performance: whoever wakes for each token, server or client, meets a slow core. Measured elsewhere: "
            "powersave nearly doubled the client's TTFT at 32 streams, with the GPU's own times unchanged "
            "(ai-dynamo/aiperf, issue 1424).",
            next="`cpupower frequency-set -g performance`, then begin a new run.",
        )


CHECKS = (quota_used_up, governor)

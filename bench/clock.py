"""One clock: CLOCK_MONOTONIC of this host, with the stamps that tie it to the others."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from bench.record import Stamp

NS_PER_S = 1_000_000_000


def now_ns() -> int:
    """Nanoseconds on CLOCK_MONOTONIC: shared by every process of this host since its boot."""
    return time.monotonic_ns()


def since_s(t0_ns: int, t_ns: int) -> float:
    """Seconds from `t0_ns` to `t_ns`."""
    return (t_ns - t0_ns) / NS_PER_S


def utc_now() -> str:
    """ISO 8601 in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def boot_id() -> str:
    """The kernel's name of this boot; "unknown" where there is no such file."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else "unknown"


def stamp() -> Stamp:
    """One instant on all clocks: the tightest of three readings, as a pause between two would look like a sleep."""
    readings = [(now_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), now_ns()) for _ in range(3)]
    before_ns, boottime_ns, _ = min(readings, key=lambda reading: reading[2] - reading[0])
    return Stamp(before_ns, boottime_ns, boot_id(), utc_now())


def suspended_s(start: Stamp, end: Stamp) -> float:
    """Seconds that the host slept between two stamps: BOOTTIME counts them, MONOTONIC does not."""
    return ((end.boottime_ns - end.monotonic_ns) - (start.boottime_ns - start.monotonic_ns)) / NS_PER_S

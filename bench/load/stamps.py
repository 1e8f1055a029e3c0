"""When bytes really reached this host: the kernel stamps packets as they arrive, however late the client reads them.

The stamps are CLOCK_REALTIME; two offsets to CLOCK_MONOTONIC, at a request's start and end, convert them and show
when somebody set the clock in between. A stamp is believed only between the request's start and the client's own
reading; without one the client's own time stands.
"""

from __future__ import annotations

import socket
import struct
import time
from array import array
from typing import Any

import numpy as np

from bench.clock import NS_PER_S

_SO_TIMESTAMPNS = 35  # linux/socket.h; Python has no name for it
ANCILLARY_BYTES = 64  # one struct timespec with its header, and room
_CLOCK_WAS_SET_NS = 100_000
NO_STAMP = struct.pack("qq", 0, 0)


def enable(sock: Any) -> None:
    """Ask the kernel for stamps; where it has none, the pieces come without."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return


def offset_ns() -> int:
    """CLOCK_MONOTONIC minus CLOCK_REALTIME, the tightest of three readings."""
    best, offset = 1 << 62, 0
    for _ in range(3):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < best:
            best, offset = after - before, (before + after) // 2 - real
    return offset


def arrivals(read_ns: array[int], stamps: bytes, start_ns: int, offsets_ns: tuple[int, int]) -> tuple[list[int], int]:
    """(arrival of each piece on CLOCK_MONOTONIC, never decreasing; how many of them the kernel stamped)."""
    first, last = offsets_ns
    if not read_ns or abs(last - first) > _CLOCK_WAS_SET_NS:
        return list(read_ns), 0
    read = np.frombuffer(read_ns, dtype=np.int64)
    timespecs = np.frombuffer(stamps, dtype=np.int64).reshape(-1, 2)
    came = timespecs[:, 0] * NS_PER_S + timespecs[:, 1] + first
    stamped = (timespecs[:, 0] > 0) & (came >= start_ns) & (came <= read)
    times: list[int] = np.maximum.accumulate(np.where(stamped, came, read)).tolist()
    return times, int(stamped.sum())

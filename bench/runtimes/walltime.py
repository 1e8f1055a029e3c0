"""Docker's times, which are of the wall clock, on CLOCK_MONOTONIC."""

from __future__ import annotations

import re
import time
from datetime import datetime

from bench.clock import NS_PER_S, now_ns

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
NEVER = "0001-01-01T00:00:00Z"  # what Docker says of an instant that has not come


def parse_instant_ns(text: str) -> int | None:
    """RFC 3339 with up to nine decimals in ns since the epoch; None for anything else, and for NEVER."""
    match = _INSTANT.fullmatch(text)
    if match is None or text == NEVER:
        return None
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return int(whole.timestamp()) * NS_PER_S + int((match[2] or "0").ljust(9, "0"))


def wall_offset_ns() -> int:
    """Wall clock minus CLOCK_MONOTONIC: the tightest of three pairs, since a pause between two reads would shift it."""
    pairs = [(now_ns(), time.time_ns(), now_ns()) for _ in range(3)]
    before, wall, after = min(pairs, key=lambda pair: pair[2] - pair[0])
    return wall - (before + after) // 2


def to_monotonic_ns(wall_ns: int) -> int:
    """By the clocks of this moment, so that a wall clock set meanwhile shifts little; never in the future."""
    return min(wall_ns - wall_offset_ns(), now_ns())

"""Bandwidths at which two costs of an image are equal.

Downloading and unpacking: below B* = 8 x wire bytes / seconds of unpacking, the same bytes take longer to come down
than to be unpacked, so a faster network helps; above it only fewer bytes on the disk, or a faster unpacker, do. Once
for a gigabyte of the series, which is one on the wire and on the disk; once for each predicted image as it is.

Two packings of one engine: the leaner one saves wire bytes and may start later. It pays as long as the network is
slower than B* = 8 x wire bytes saved / seconds of start lost. An image that starts no later pays at every bandwidth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.analysis.dose_fit import by_block, over_blocks
from bench.analysis.dose_rows import GB, DoseRow
from bench.conclusion import BreakEven, Estimated, Interval, Slope
from bench.model import Dose

_START = "start_to_first_token_s"
_BITS = 8.0  # of a byte


def bandwidths(asked: Dose, rows: Sequence[DoseRow], slopes: Sequence[Slope]) -> tuple[BreakEven, ...]:
    """Of a gigabyte of the series, of each predicted image, and of the fattest of these against the others."""
    found = [_of_gigabyte(slope) for slope in slopes if slope.metric == "extract_s"]
    found += [row for arm in asked.predict if (row := _of_image(arm, rows))]
    wire = {arm: size for arm in asked.predict if (size := _wire_gb(arm, rows)) is not None}
    if wire:
        fattest = max(wire, key=lambda arm: wire[arm])
        leaner = (arm for arm in wire if arm != fattest)
        found += [row for arm in leaner if (row := _of_packings(fattest, arm, (wire[fattest] - wire[arm]) * GB, rows))]
    return tuple(found)


def _of_gigabyte(slope: Slope) -> BreakEven:
    bits, ci95 = _quotient(_BITS * GB, slope.s_per_gb)
    return BreakEven(first=None, second=None, bits_per_s=bits, ci95=ci95)


def _of_image(arm: str, rows: Sequence[DoseRow]) -> BreakEven | None:
    mine = [row for row in rows if row.arm == arm and row.wire_gb and row.times.get("extract_s")]
    found = over_blocks([_BITS * GB * (row.wire_gb or 0.0) / row.times["extract_s"] for row in mine], is_ratio=True)
    return BreakEven(first=arm, second=None, bits_per_s=found.value, ci95=found.ci95) if found else None


def _of_packings(fattest: str, leaner: str, saved_bytes: float, rows: Sequence[DoseRow]) -> BreakEven | None:
    fat, lean = (
        by_block((row.block, row.times[_START]) for row in rows if row.arm == arm and _START in row.times)
        for arm in (fattest, leaner)
    )
    lost = over_blocks([lean[block] - fat[block] for block in fat if block in lean])
    if lost is None:
        return None
    bits, ci95 = _quotient(_BITS * saved_bytes, lost)
    return BreakEven(
        first=fattest, second=leaner, bits_per_s=bits, ci95=ci95, wire_bytes_saved=saved_bytes, start_s_lost=lost
    )


def _quotient(bits: float, seconds: Estimated) -> tuple[float | None, Interval | None]:
    """Bits over seconds; None where the seconds are none, and an interval without an upper end where they may be."""
    value = bits / seconds.value if seconds.value > 0 else None
    if seconds.ci95 is None or seconds.ci95[1] <= 0:
        return value, None
    low, high = seconds.ci95
    return value, (bits / high, bits / low if low > 0 else math.inf)


def _wire_gb(arm: str, rows: Sequence[DoseRow]) -> float | None:
    known = [row.wire_gb for row in rows if row.arm == arm and row.wire_gb is not None]
    return math.fsum(known) / len(known) if known else None

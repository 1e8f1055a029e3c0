"""Bandwidths at which two costs of an image are equal.

Downloading and unpacking: below B* = 8 x wire bytes / seconds of unpacking, the same bytes take longer to come down
than to be unpacked, so a faster network helps; above it only fewer bytes on the disk, or a faster unpacker, do. Once
for a gigabyte of the series, which is one on the wire and on the disk; once for each predicted image as it is.

Two packings of one program, F with more bytes on the wire and L with fewer. From the order to pull to the first token

    T(B) = D(B) + R,    D(B) = 8 W / B    and    R = pull to first token - download, both as measured.

D ends with the last byte; R is all that the network does not cause: the unpacking that goes on after that byte, and
the start. L comes sooner where T_L < T_F, that is where 8 (W_F - W_L) / B > R_L - R_F. Hence

    B* = 8 (W_F - W_L) / (R_L - R_F):    below it the leaner image pays, above it the fatter one.

Where R_L <= R_F it pays at any bandwidth: few files and little to unpack gain more than the start loses. The whole
difference of the two times to the first token would not do in the denominator: it holds the download, which is the
very thing that B changes; nor would the start alone, which leaves the unpacking out. At the bandwidth at which the
pulls were measured the rule says exactly what was measured: B < B* there means T_L < T_F.

What it takes for granted is that R is the same at other bandwidths. That holds for an image of one layer, which is
unpacked when it is whole. Of several layers the first are unpacked while the last come down: on a slower network more
of the unpacking hides there and R falls, of the image with more to hide the more; on a faster one R rises. A B* far
from the run's own bandwidth is therefore rough, and the page says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.analysis.dose_fit import by_block, over_blocks
from bench.analysis.dose_rows import GB, DoseRow
from bench.conclusion import BreakEven, Estimated, Interval, Slope
from bench.model import Dose

_WHOLE, _DOWNLOAD = "pull_to_first_token_s", "download_s"
_BITS = 8.0  # of a byte


def bandwidths(asked: Dose, rows: Sequence[DoseRow], slopes: Sequence[Slope]) -> tuple[BreakEven, ...]:
    """In bit/s: of a gigabyte of the series, of each predicted image, and of the fattest packing against the others.

    Packings are those that the scenario calls so, and no others: what a predicted image holds besides the program
    is not packed leaner in another image, it is missing there.
    """
    found = [_of_gigabyte(slope) for slope in slopes if slope.metric == "extract_s"]
    found += [row for arm in asked.predict if (row := _of_image(arm, rows))]
    wire = {arm: size for arm in asked.packings if (size := _wire_gb(arm, rows)) is not None}
    if wire:
        fattest = max(wire, key=lambda arm: wire[arm])
        leaner = (arm for arm in wire if wire[arm] < wire[fattest])
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
    """None where no block has both images with both times."""
    fat, lean = (_beside_download_s(arm, rows) for arm in (fattest, leaner))
    lost = over_blocks([lean[block] - fat[block] for block in fat if block in lean])
    if lost is None:
        return None
    bits, ci95 = _quotient(_BITS * saved_bytes, lost)
    return BreakEven(
        first=fattest, second=leaner, bits_per_s=bits, ci95=ci95, wire_bytes_saved=saved_bytes,
        lost_beside_download_s=lost,
    )  # fmt: skip


def _beside_download_s(arm: str, rows: Sequence[DoseRow]) -> Mapping[int, float]:
    """Block -> R: seconds from the last byte down to the first token, without what the suite does in between."""
    mine = (row for row in rows if row.arm == arm and {_WHOLE, _DOWNLOAD} <= row.times.keys())
    return by_block((row.block, row.times[_WHOLE] - row.times[_DOWNLOAD]) for row in mine)


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

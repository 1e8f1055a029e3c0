"""What the series' lines hold for, and which of it another image lies beyond.

A line knows one number of an image, its gigabytes. It holds for images that are like the series in everything else
that costs time: as many bytes as its images have, no more files, and bytes that compress as theirs do. Which of these
matters depends on what is done with the bytes:

- a download moves compressed bytes: neither how many files they hold nor what they hold on the disk makes a difference;
- a push reads the files, compresses and sends; unpacking (and the pull that waits for it) decompresses and writes the
  files: both their number and how far they compress count;
- a start reads from the disk, where nothing is compressed; it may open more files where there are more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.dose_fit import straight
from bench.analysis.dose_rows import PER, PULLS
from bench.conclusion import Covered, Dose

BYTES, FILES, COMPRESSION = "bytes", "files", "compression"  # by what an image lies beyond the series
FILES_COUNT = frozenset(PER) - {"download_s"}
COMPRESSION_COUNTS = frozenset({"push_s", "extract_s", *PULLS})
_MANY_TIMES = 2.0  # the series' files
_FEW_FILES = 0.1  # thousands that cost nothing to speak of: at 0.5 ms each, below a tenth of a second
_ROUNDING_GB = 1e-9  # one byte: the sizes are means
_AS_SERIES = (0.9, 1.1)  # bytes on the wire over those that the series has at as many on the disk


@dataclass(frozen=True, slots=True)
class Size:
    """What one metric's time was spent on: gigabytes, and thousands of files. None = not known."""

    wire_gb: float | None
    disk_gb: float | None
    kilofiles: float | None


def size_of(dose: Dose, metric: str) -> Size:
    """Of a push what was sent, else what the pull brought."""
    if metric == "push_s":
        wire, disk, files = dose.pushed_wire_bytes, dose.pushed_disk_bytes, dose.pushed_files
    else:
        wire, disk, files = dose.wire_bytes, dose.disk_bytes, dose.files
    return Size(*(None if n is None else n / unit for n, unit in ((wire, 1e9), (disk, 1e9), (files, 1e3))))


def beyond(metric: str, dose: Dose, series: Sequence[Dose]) -> tuple[str, ...]:
    """By what (BYTES, FILES, COMPRESSION) an image lies beyond what the series says of a metric; () = it is covered.

    What is not known of the image or of the series is not held against it.
    """
    mine, others = size_of(dose, metric), [size_of(one, metric) for one in series]
    found = [BYTES] if _has_other_bytes(metric, mine, others) else []
    if metric in FILES_COUNT and _has_other_files(mine, others):
        found.append(FILES)
    if metric in COMPRESSION_COUNTS and _compresses_otherwise(mine, others):
        found.append(COMPRESSION)
    return tuple(found)


def covered(series: Sequence[Dose]) -> Covered | None:
    """What the pulls of the series brought, from the least to the most; None where it is not known."""
    disk = [dose.disk_bytes for dose in series if dose.disk_bytes is not None]
    files = [dose.files for dose in series if dose.files is not None]
    if not disk:
        return None
    wire = _wire_over_disk([size_of(dose, "pull_s") for dose in series])
    return Covered(
        disk_bytes=(min(disk), max(disk)),
        most_files=max(files) if files else None,
        wire_per_disk_ratio=wire[1] if wire else None,
    )


def _has_other_bytes(metric: str, mine: Size, others: Sequence[Size]) -> bool:
    kinds = ("wire", "disk") if metric in PULLS else (PER[metric],)
    for kind in kinds:
        known = [gb for one in others if (gb := getattr(one, f"{kind}_gb")) is not None]
        gb = getattr(mine, f"{kind}_gb")
        if gb is not None and known and not min(known) - _ROUNDING_GB <= gb <= max(known) + _ROUNDING_GB:
            return True
    return False


def _has_other_files(mine: Size, others: Sequence[Size]) -> bool:
    known = [one.kilofiles for one in others if one.kilofiles is not None]
    if mine.kilofiles is None or not known:
        return False
    least, most = min(known), max(known)
    more = mine.kilofiles > max(_MANY_TIMES * most, most + _FEW_FILES)
    fewer = mine.kilofiles < min(least / _MANY_TIMES, least - _FEW_FILES)
    return more or fewer


def _compresses_otherwise(mine: Size, others: Sequence[Size]) -> bool:
    """Whether its bytes on the wire are not those that the series has at as many bytes on the disk."""
    line = _wire_over_disk(others)
    if line is None or not mine.disk_gb or mine.wire_gb is None:
        return False
    expected = line[0] + line[1] * mine.disk_gb
    return not _AS_SERIES[0] * expected <= mine.wire_gb <= _AS_SERIES[1] * expected


def _wire_over_disk(sizes: Sequence[Size]) -> tuple[float, float] | None:
    """(at nothing on the disk, per gigabyte on the disk) of the series' bytes on the wire."""
    known = [(one.disk_gb, one.wire_gb) for one in sizes if one.disk_gb is not None and one.wire_gb is not None]
    fit = straight([disk for disk, _ in known], [wire for _, wire in known])
    return (fit[0], fit[1]) if fit else None

"""What the driver reported against a GPU while an arm had it: XID errors, and errors of its memory."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis.numbers import Numbers
from bench.record import Finding
from bench.vocabulary import Severity
from bench.voids import FATAL_XIDS, UNCORRECTED, grown

_CATALOGUE = (
    "Look the number up in NVIDIA's catalogue of XID errors, and at dmesg; replace or reset a card that repeats it."
)


def xid_errors(numbers: Numbers) -> Iterator[Finding]:
    """Of any kind: some are the program's fault, and those of FATAL_XIDS the card's; none is of a healthy launch."""
    for one in numbers.kept:
        rows = numbers.cards(one)
        if rows is None:
            continue
        for uuid, mine in rows[rows["metric"] == "xid"].groupby("entity"):
            codes = sorted({int(code) for code in mine["value"]})
            fatal = [code for code in codes if code in FATAL_XIDS]
            yield Finding(
                id="gpu-xid",
                severity=Severity.VOID if fatal else Severity.WARN,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"The driver reported {_listed(codes)} on {uuid}, "
                f"first {mine['t_s'].min():.1f} s into the launch."
                + ("".join(f" {code}: {FATAL_XIDS[code]}; stages that ended after it are left out." for code in fatal)),
                next=_CATALOGUE,
            )


def memory_errors(numbers: Numbers) -> Iterator[Finding]:
    """ECC counters that grew within a launch."""
    for one in numbers.kept:
        rows = numbers.cards(one)
        if rows is None:
            continue
        if uncorrected := grown(rows, UNCORRECTED):
            yield Finding(
                id="gpu-memory-errors",
                severity=Severity.VOID,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"{uncorrected:.0f} errors of the GPU's memory could not be corrected: answers "
                "may be wrong, and stages that ended after it are left out.",
                next="Take the card out of use, and run again on another.",
            )
        if corrected := grown(rows, "ecc_corrected"):
            yield Finding(
                id="gpu-memory-corrected",
                severity=Severity.INFO,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"{corrected:.0f} errors of the GPU's memory were corrected while the arm had it.",
                next="A card that goes on like this is on its way out.",
            )


def _listed(codes: list[int]) -> str:
    return ("XID " if len(codes) == 1 else "the XIDs ") + ", ".join(map(str, codes))


CHECKS = (xid_errors, memory_errors)

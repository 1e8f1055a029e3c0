"""The dated exception for nightly builds: what it excuses while it holds, and what it becomes afterwards.

It excuses that a line uses nightly builds or pre-releases, and that such a line gives no exact version. It excuses
nothing else: a nightly image can be named by its digest, a nightly wheel by its hash, a branch by its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from bench.anatomy import DayZero, PinFinding
from bench.vocabulary import PinRule

EXCUSED_BESIDE_NIGHTLY = {PinRule.PIP_NOT_PINNED, PinRule.CONDA_NOT_PINNED}


def excuse(
    findings: Sequence[PinFinding], day_zero: DayZero | None, today: date
) -> tuple[list[PinFinding], list[PinFinding]]:
    """(what counts, what is excused). The last day counts as before the date."""
    if day_zero is None:
        return list(findings), []
    nightly = {(one.file, one.line) for one in findings if one.rule == PinRule.NIGHTLY}
    if today > date.fromisoformat(day_zero.until):
        return [_expired(one, day_zero) if one.rule == PinRule.NIGHTLY else one for one in findings], []
    excused = [one for one in findings if _covers(one, nightly)]
    return [one for one in findings if not _covers(one, nightly)], [_noted(one, day_zero) for one in excused]


def _covers(finding: PinFinding, nightly: set[tuple[str, int]]) -> bool:
    if finding.rule == PinRule.NIGHTLY:
        return True
    return finding.rule in EXCUSED_BESIDE_NIGHTLY and (finding.file, finding.line) in nightly


def _noted(finding: PinFinding, day_zero: DayZero) -> PinFinding:
    return replace(finding, text=f"{finding.text} (excused until {day_zero.until}: {day_zero.reason})", weight=0)


def _expired(finding: PinFinding, day_zero: DayZero) -> PinFinding:
    return replace(
        finding,
        rule=PinRule.DAY_ZERO_EXPIRED,
        text=f"{finding.text}; the exception for it ended on {day_zero.until} ({day_zero.reason})",
        repair="use the release that supports the model by now; if there is none, move day_zero.until and say why",
    )

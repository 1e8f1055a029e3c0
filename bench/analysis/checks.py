"""What a reader must know before believing a number: every check, in the order in which it is told.

A check is a function from the run's numbers and comparisons to findings; each text says what was seen, the number and
the likely cause, and `next` what to do. Adding a check is one function and its name in a table.
"""

from __future__ import annotations

from bench.analysis import (
    arm_health,
    card_state,
    cards,
    conduct,
    configuration,
    containers,
    doubts,
    energy_checks,
    gpu_conduct,
    gpu_errors,
    host_checks,
    instrument,
    processes,
    server_side,
    traffic,
)
from bench.analysis.numbers import Numbers
from bench.conclusion import Comparison
from bench.record import Finding
from bench.vocabulary import Severity

_WEIGHT = (Severity.VOID, Severity.WARN, Severity.INFO)


def check(numbers: Numbers, comparisons: tuple[Comparison, ...]) -> tuple[Finding, ...]:
    """Every finding of the analysis, the heaviest first."""
    rooms = (
        *(configuration, conduct, containers, traffic, instrument),
        *(energy_checks, gpu_conduct, gpu_errors, cards, card_state, arm_health, processes, host_checks, server_side),
    )
    findings = [finding for room in rooms for of_run in room.CHECKS for finding in of_run(numbers)]
    findings += [finding for of_results in doubts.CHECKS for finding in of_results(numbers, comparisons)]
    return tuple(sorted(findings, key=lambda finding: _WEIGHT.index(finding.severity)))

"""What a reader must know before believing a number."""

from __future__ import annotations

from bench.analysis.numbers import Numbers
from bench.conclusion import Comparison
from bench.record import Finding


def check(numbers: Numbers, comparisons: tuple[Comparison, ...]) -> tuple[Finding, ...]:
    """Every finding of the analysis."""
    return ()

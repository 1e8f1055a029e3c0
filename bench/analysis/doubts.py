"""Checks of the results themselves: where an interval says more, or less, than it seems to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.analysis import stats
from bench.analysis.compare import differences
from bench.analysis.comparisons import measure_of, primary_cell
from bench.analysis.numbers import Numbers
from bench.analysis.words import metric_name, outcome, place
from bench.conclusion import Comparison
from bench.record import Finding
from bench.vocabulary import Kind, Role, Severity, Verdict

DIRECTED = (Verdict.BETTER, Verdict.WORSE, Verdict.AHEAD, Verdict.BEHIND)


def zero_variance(_: Numbers, comparisons: tuple[Comparison, ...]) -> Iterator[Finding]:
    """Numbers that never vary come from a constant or a clock too coarse, not from a quiet machine."""
    for c in comparisons:
        if c.ci95 is not None and c.ci95[0] == c.ci95[1] and not (c.kind is Kind.DIFFERENCE and c.delta == 0):
            yield Finding(
                id="zero-variance",
                severity=Severity.WARN if c.role is Role.PRIMARY else Severity.INFO,
                at=c.at,
                arm=c.candidate,
                text=f"{metric_name(c)}{place(c.at)} differs by exactly the same in every launch: the interval is "
                "the point. A limit, a rounded value or a constant may be what was measured.",
                next="Look at the launches' own values.",
            )


def few_pairs(_: Numbers, comparisons: tuple[Comparison, ...]) -> Iterator[Finding]:
    """Below six pairs no test without the normal law can reach 5 %."""
    for c in comparisons:
        if c.role is Role.PRIMARY and c.verdict in DIRECTED and 0 < c.n["pairs"] < stats.FLIPS_LEAST_PAIRS:
            yield Finding(
                id="few-pairs",
                severity=Severity.INFO,
                at=c.at,
                arm=c.candidate,
                text=f"{c.n['pairs']} pairs: the interval rests on launches being normally spread (on logarithms). "
                f"From {stats.FLIPS_LEAST_PAIRS} pairs on an exact sign-flip test checks that.",
                next=f"Run launches.blocks: {stats.FLIPS_LEAST_PAIRS} or more before money depends on it.",
            )


def second_opinion(numbers: Numbers, comparisons: tuple[Comparison, ...]) -> Iterator[Finding]:
    """The t interval and the exact sign-flip test must agree on whether there is a difference."""
    cell = primary_cell(numbers)
    for c in comparisons:
        if cell is None or c.role is not Role.PRIMARY or c.ci95 is None or not c.n["pairs"]:
            continue
        measure = measure_of(numbers.scenario, cell)
        found = differences(measure, numbers.by_block(cell, c.baseline), numbers.by_block(cell, c.candidate))
        p = stats.sign_flip_p(found)
        t_says = not c.ci95[0] <= measure.null <= c.ci95[1]
        if p is not None and t_says != (p < stats.ALPHA):
            yield Finding(
                id="tests-disagree",
                severity=Severity.WARN,
                at=c.at,
                arm=c.candidate,
                text=f"The t interval {'excludes' if t_says else 'contains'} no difference, the exact sign-flip test "
                f"over {c.n['pairs']} pairs says p = {p:.3f}: one odd launch may carry the result.",
                next="Look at the launches' own values; run more blocks.",
            )


def many_comparisons(_: Numbers, comparisons: tuple[Comparison, ...]) -> Iterator[Finding]:
    """Of many intervals some exclude no difference by luck."""
    family = [c for c in comparisons if c.p_holm is not None]
    lucky = [c for c in family if c.verdict in DIRECTED and c.p_holm is not None and c.p_holm >= stats.ALPHA]
    if lucky:
        yield Finding(
            id="many-comparisons",
            severity=Severity.INFO,
            text=f"{len(lucky)} of {len(family)} secondary comparisons show a direction by their own 95 % interval "
            "that does not stand after Holm's correction for their number: hints. The primary one decides.",
        )


def same_arms_differ(numbers: Numbers, comparisons: tuple[Comparison, ...]) -> Iterator[Finding]:
    """An A/A run that finds a difference accuses the method, the host, or luck (1 in 20)."""
    for c in comparisons:
        if numbers.is_aa and c.role is Role.PRIMARY and c.verdict in DIRECTED:
            yield Finding(
                id="aa-differs",
                severity=Severity.WARN,
                at=c.at,
                text=f"The arms are the same, yet {outcome(c)}. By luck alone 1 run in 20 does this.",
                next="Run it again. If it stays, something on this host favours an arm: order, port, cores, memory.",
            )


CHECKS: tuple[Callable[[Numbers, tuple[Comparison, ...]], Iterator[Finding]], ...] = (
    zero_variance,
    few_pairs,
    second_opinion,
    many_comparisons,
    same_arms_differ,
)

"""Every comparison of a run: each arm against the baseline in every cell, with Holm's p over the secondary ones."""

from __future__ import annotations

import dataclasses

from bench.analysis import stats
from bench.analysis.comparability import not_comparable
from bench.analysis.compare import Measure, compare, p_value
from bench.analysis.numbers import Cell, Numbers
from bench.analysis.words import percent
from bench.conclusion import Comparison
from bench.model import Scenario
from bench.vocabulary import Kind, Role, Verdict


def compare_all(numbers: Numbers, withhold: str | None) -> tuple[Comparison, ...]:
    """The baseline against each candidate, in every cell in which either has a number."""
    baseline = numbers.scenario.baseline
    candidates = [arm.name for arm in numbers.scenario.arms if arm.name != baseline]
    rows: list[Comparison] = []
    p_values: list[float | None] = []
    for cell in (cell for cell in numbers.cells if _is_compared(numbers.scenario, cell)):
        for candidate in candidates:
            comparison = compare_cell(numbers, cell, baseline, candidate, withhold)
            rows.append(comparison)
            can_be_judged = comparison.ci95 is not None and comparison.verdict is not Verdict.NOT_COMPARABLE
            in_family = comparison.role is Role.SECONDARY and can_be_judged
            p_values.append(_p(numbers, cell, baseline, candidate) if in_family else None)
    return _with_holm(rows, p_values)


def _is_compared(scenario: Scenario, cell: Cell) -> bool:
    """Whether a verdict on this cell says something of an arm that no other cell says."""
    as_primary = cell.metric.compared == "as primary" and role_of(scenario, cell) is Role.PRIMARY
    return cell.metric.compared == "always" or as_primary


def compare_cell(numbers: Numbers, cell: Cell, baseline: str, candidate: str, withhold: str | None) -> Comparison:
    """Two arms in one cell."""
    comparison = compare(
        measure_of(numbers.scenario, cell),
        (baseline, numbers.by_block(cell, baseline)),
        (candidate, numbers.by_block(cell, candidate)),
        at=cell.at,
        role=role_of(numbers.scenario, cell),
        not_comparable=not_comparable(numbers, cell, baseline, candidate),
        lacking=_lacking(numbers, cell, (baseline, candidate)),
        withhold=withhold,
    )
    return _with_rule_of_three(numbers, cell, comparison)


def measure_of(scenario: Scenario, cell: Cell) -> Measure:
    """What is compared in a cell, with the scenario's margin where it names one."""
    metric = cell.metric
    return Measure(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        margin=scenario.margins.get(metric.name, metric.margin),
        kind=metric.kind,
    )


def role_of(scenario: Scenario, cell: Cell) -> Role:
    """Primary is what the scenario named before any data existed."""
    primary = scenario.primary
    is_primary = cell.metric.name == primary.metric and cell.at.get("stage") == primary.stage
    return Role.PRIMARY if is_primary else Role.SECONDARY


def primary_cell(numbers: Numbers) -> Cell | None:
    """The cell that answers the question; None where the run has no such number at all."""
    return next((cell for cell in numbers.cells if role_of(numbers.scenario, cell) is Role.PRIMARY), None)


def _p(numbers: Numbers, cell: Cell, baseline: str, candidate: str) -> float | None:
    samples = numbers.by_block(cell, baseline), numbers.by_block(cell, candidate)
    return p_value(measure_of(numbers.scenario, cell), *samples)


def _with_holm(rows: list[Comparison], p_values: list[float | None]) -> tuple[Comparison, ...]:
    """One family: all secondary comparisons of the run that have a p value."""
    family = [index for index, p in enumerate(p_values) if p is not None]
    adjusted = dict(zip(family, stats.holm([p for p in p_values if p is not None]), strict=True))
    return tuple(dataclasses.replace(row, p_holm=adjusted.get(index)) for index, row in enumerate(rows))


def _lacking(numbers: Numbers, cell: Cell, arms: tuple[str, str]) -> str | None:
    """Which launch has no number in this cell, and why as far as the rows tell."""
    metric, stage = cell.metric, cell.at.get("stage")
    for arm in arms:
        for index, value in cell.numbers[arm].items():
            if value is not None:
                continue
            if metric.of_image:
                return f"what is in the image of {arm} is not known"
            passes = [rows for rows in numbers.passes.get(index, ()) if rows.window.stage == stage]
            if void := next((rows.void_reason for rows in passes if rows.void_reason), None):
                return f"launch {index} of {arm} does not count here: {void}"
            counts = [len(rows.ok) for rows in passes]
            if stage is not None and metric.least_rows > 1 and counts and min(counts) < metric.least_rows:
                return (
                    f"needs {metric.least_rows} good requests in the window of each launch "
                    f"(launch {index} of {arm} has {min(counts)})"
                )
            return f"launch {index} of {arm} has no such number"
    return None


def _with_rule_of_three(numbers: Numbers, cell: Cell, comparison: Comparison) -> Comparison:
    """No failure at all is no proof of none: say which share would stay unseen; one above the margin is unknown.

    Zeros in every launch have no spread, so the t interval would be the point, however few the requests were.
    """
    nothing_seen = comparison.baseline_value == 0 and comparison.candidate_value == 0
    if comparison.kind is not Kind.DIFFERENCE or not nothing_seen or comparison.reason:
        return comparison
    stage = cell.at.get("stage", "")
    counts = [
        sum(len(rows.ok) for rows in numbers.passes_at(arm, stage))
        for arm in (comparison.baseline, comparison.candidate)
    ]
    if not min(counts):
        return comparison
    unseen = 3 / min(counts)
    reason = (
        f"none of {counts[0]} and {counts[1]} requests failed: shares below {percent(min(1.0, unseen))} stay unseen"
    )
    if unseen <= comparison.margin:
        return dataclasses.replace(comparison, reason=reason)
    return dataclasses.replace(comparison, verdict=Verdict.UNKNOWN, reason=reason, ci95=None, ci90=None, mde=None)

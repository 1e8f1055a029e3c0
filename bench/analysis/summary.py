"""From a run as loaded to its summary: values, comparisons, findings, decision; and that as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.analysis import checks, decision, stats
from bench.analysis.compare import LEAST_CONSTANT
from bench.analysis.comparisons import compare_all
from bench.analysis.dose import respond
from bench.analysis.dose_decision import priced
from bench.analysis.numbers import Cell, Numbers
from bench.conclusion import ArmSummary, Comparison, Decision, Summary, Value
from bench.vocabulary import Kind, Role, RunStatus, Verdict

if TYPE_CHECKING:
    from bench.store.reader import RunData

SCHEMA = 1


def summarise(data: RunData) -> Summary:
    """Everything that a run's facts support, and nothing else."""
    numbers = Numbers(data)
    run, scenario = data.run, data.run.scenario
    withhold = provisional_reason(numbers)
    comparisons = compare_all(numbers, withhold)
    aa = same_against_same(comparisons) if numbers.is_aa else None
    recorded = (*run.findings, *(finding for one in data.launches for finding in one.launch.findings))
    dose = respond(numbers)
    settled = None if withhold else priced(dose)
    return Summary(
        schema=SCHEMA,
        nimbench_version=run.nimbench_version,
        scenario=scenario.name,
        run=run.id,
        status=run.status.value,
        created_utc=run.created_utc,
        provisional=withhold is not None,
        aa=aa,
        arms={
            arm.name: ArmSummary(
                side=arm.side,
                values=tuple(value_of(cell, arm.name) for cell in numbers.cells if cell.numbers[arm.name]),
            )
            for arm in scenario.arms
        },
        comparisons=comparisons,
        findings=(*recorded, *checks.check(numbers, comparisons)),
        decision=settled or decision.decide(numbers, comparisons, aa=aa, withhold=withhold),
        dose=dose,
    )


def provisional_reason(numbers: Numbers) -> str | None:
    """Why no verdict may be given yet: fewer whole blocks than planned, and the run did not come to its end."""
    planned, arms = numbers.scenario.launches.blocks, len(numbers.scenario.arms)
    blocks = list(numbers.blocks.values())
    whole = sum(blocks.count(block) >= arms for block in set(blocks))
    if numbers.data.run.status is RunStatus.COMPLETE or whole >= planned:
        return None
    return f"provisional: {whole} of {planned} blocks"


def same_against_same(comparisons: tuple[Comparison, ...]) -> dict[str, Any]:
    """How often a 95 % interval of identical arms left out their equality, and whether the primary one did.

    The binomial interval takes the comparisons as independent; those of one run share launches, so it is too narrow.
    """
    judged = [c for c in comparisons if c.verdict is not Verdict.NOT_COMPARABLE]
    sampled = [c for c in judged if c.ci95 is not None and c.ci95[0] < c.ci95[1]]
    primary = [c for c in sampled if c.role is Role.PRIMARY]
    excluding, of = sum(_excludes_equality(c) for c in sampled), len(sampled)
    return {
        "primary_ci_contains_1": not any(map(_excludes_equality, primary)) if primary else None,
        "excluding_1": excluding,
        "of": of,
        "share": excluding / of if of else None,
        "ci95": list(stats.clopper_pearson(excluding, of)) if of else None,
    }


def _excludes_equality(comparison: Comparison) -> bool:
    null = 0.0 if comparison.kind is Kind.DIFFERENCE else 1.0
    return comparison.ci95 is not None and not comparison.ci95[0] <= null <= comparison.ci95[1]


def value_of(cell: Cell, arm: str) -> Value:
    """One arm's centre over its launches: geometric where all are positive, with a t interval on that scale."""
    per_launch = {index: value for index, value in cell.numbers[arm].items() if value is not None}
    known = list(per_launch.values())
    if not known:
        return Value(metric=cell.metric.name, at=cell.at, value=None, ci95=None, n=0)
    is_share = cell.metric.kind is Kind.DIFFERENCE
    is_log = not is_share and min(known) > 0
    estimate = stats.one_sample([math.log(v) for v in known] if is_log else known) if len(known) > 1 else None
    is_shown = estimate and (estimate.se or (len(known) >= LEAST_CONSTANT and not is_share))  # as for a comparison
    interval = estimate.interval(0.95) if estimate and is_shown else None
    return Value(
        metric=cell.metric.name,
        at=cell.at,
        value=stats.average(known, is_geometric=is_log),
        ci95=(math.exp(interval[0]), math.exp(interval[1])) if interval and is_log else interval,
        n=len(known),
        per_launch=per_launch,
    )


def to_json(summary: Summary) -> dict[str, Any]:
    """summary.json, the contract for other programs: plain types, no NaN."""
    return {
        "schema": summary.schema,
        "nimbench_version": summary.nimbench_version,
        "scenario": summary.scenario,
        "run": summary.run,
        "status": summary.status,
        "created_utc": summary.created_utc,
        "provisional": summary.provisional,
        "aa": _plain(summary.aa),
        "arms": {
            name: {"side": arm.side.value, "values": [_value_json(value) for value in arm.values]}
            for name, arm in summary.arms.items()
        },
        "comparisons": [comparison_json(comparison) for comparison in summary.comparisons],
        "findings": [_plain(dataclasses.asdict(finding)) for finding in summary.findings],
        "decision": _decision_json(summary.decision),
        **({"dose": _plain(dataclasses.asdict(summary.dose))} if summary.dose else {}),
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """One comparison as summary.json and `nimbench verdict` give it."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(comparison))
    return plain


def _value_json(value: Value) -> dict[str, Any]:
    document: dict[str, Any] = _plain(dataclasses.asdict(value))
    del document["per_launch"]  # the launches' own files hold these
    return document


def _decision_json(made: Decision) -> dict[str, Any]:
    return {
        "choice": {"arms": list(made.arms), "state": made.state, "side": made.side},
        "sentence": made.sentence,
        "because": list(made.because),
        "break_even": _plain(made.break_even),
    }


def _plain(value: Any) -> Any:
    """Plain JSON: vocabulary words as text, tuples as lists, and null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value

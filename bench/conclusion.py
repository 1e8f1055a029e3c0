"""The nouns of what was concluded: summary.json, the contract for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.record import Finding
from bench.vocabulary import Better, Kind, Role, Side, Verdict

Interval = tuple[float, float]
At = Mapping[str, str]  # {"stage"}, {"level"}, {"slo"} or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One metric of one arm: the centre over launches (geometric mean where all are positive) and its interval."""

    metric: str
    at: At
    value: float | None
    ci95: Interval | None
    n: int
    per_launch: Mapping[int, float] = field(default_factory=dict)  # launch index -> that launch's one number


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of two arms, from the candidate's side. Key: metric, at, baseline, candidate."""

    metric: str
    at: At
    baseline: str
    candidate: str
    role: Role
    kind: Kind
    unit: str
    better: Better
    baseline_value: float | None
    candidate_value: float | None
    ratio: float | None
    ci95: Interval | None
    ci90: Interval | None
    delta: float | None
    margin: float
    verdict: Verdict
    reason: str | None
    method: str
    p_holm: float | None
    n: Mapping[str, int]  # baseline, candidate, pairs
    mde: float | None  # smallest ratio - 1 that this many pairs would show with 80 % power
    launches_needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. state: one, several or unknown; side: buy, build or none."""

    arms: tuple[str, ...]
    state: str
    side: str
    sentence: str
    because: tuple[str, ...]
    break_even: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One arm's numbers."""

    side: Side
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """summary.json as an object."""

    schema: int
    nimbench_version: str
    scenario: str
    run: str
    status: str
    created_utc: str
    provisional: bool
    aa: Mapping[str, Any] | None
    arms: Mapping[str, ArmSummary]
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]
    decision: Decision

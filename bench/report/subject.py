"""What a report is about: a run's facts beside its summary, with the look-ups that every section needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bench.analysis.numbers import Numbers
from bench.conclusion import Comparison, Summary, Value
from bench.model import Arm, Scenario
from bench.record import Finding, Run
from bench.store.reader import LaunchData, RunData
from bench.vocabulary import Role, Severity

# Okabe and Ito's palette: told apart with every common colour blindness, and dark enough on white
_COLOURS = ("#0072B2", "#D55E00", "#007F5F", "#A84B86", "#8A6D00", "#56606B")
_SEVERITIES = (Severity.VOID, Severity.WARN, Severity.INFO)
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")


@dataclass(frozen=True)
class Subject:
    """One run folder as read, and what the analysis concluded from it."""

    data: RunData
    summary: Summary

    @property
    def run(self) -> Run:
        """The facts of run.json."""
        return self.data.run

    @property
    def scenario(self) -> Scenario:
        """The question."""
        return self.data.run.scenario

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm, the baseline first."""
        return tuple(sorted(self.scenario.arms, key=lambda arm: arm.name != self.scenario.baseline))

    def _place(self, arm: str) -> int:
        return next((i for i, one in enumerate(self.arms) if one.name == arm), 0)

    def colour(self, arm: str) -> str:
        """The arm's colour, the same on the whole page."""
        return _COLOURS[self._place(arm) % len(_COLOURS)]

    def symbol(self, arm: str) -> str:
        """The arm's marker, so that colour is never the only sign."""
        return _SYMBOLS[self._place(arm) % len(_SYMBOLS)]

    def value(self, arm: str, metric: str, stage: str | None) -> Value | None:
        """The arm's value of a metric at a stage (None: of the metric without a stage)."""
        side = self.summary.arms.get(arm)
        values = side.values if side else ()
        return next((v for v in values if v.metric == metric and v.at.get("stage") == stage), None)

    @cached_property
    def primary(self) -> Comparison | None:
        """The comparison that answers the question."""
        return next((c for c in self.summary.comparisons if c.role is Role.PRIMARY), None)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What takes numbers away first, then what asks for care, then what is good to know."""
        return tuple(sorted(self.summary.findings, key=lambda one: _SEVERITIES.index(one.severity)))

    @cached_property
    def numbers(self) -> Numbers:
        """The analysis's own: what it computes once, every part of the page shares."""
        return Numbers(self.data)

    @property
    def kept(self) -> tuple[LaunchData, ...]:
        """Launches that count, as the analysis counts them."""
        return self.numbers.kept

    def kept_of(self, arm: str) -> tuple[LaunchData, ...]:
        """The arm's launches that count."""
        return tuple(one for one in self.kept if one.launch.arm == arm)

    def median_launch(self, arm: str) -> LaunchData | None:
        """The arm's launch in the middle of its primary values, so that no odd one stands for the arm."""
        launches = {one.launch.index: one for one in self.kept_of(arm)}
        value = self.value(arm, self.scenario.primary.metric, self.scenario.primary.stage)
        ranked = [i for i, _ in sorted(value.per_launch.items(), key=lambda item: item[1])] if value else []
        order = [i for i in ranked if i in launches] or list(launches)
        return launches[order[(len(order) - 1) // 2]] if order else None

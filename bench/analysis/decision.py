"""What to do, from the primary comparison; what speaks against it is said in the same breath."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bench.analysis import audit
from bench.analysis.comparisons import compare_cell, primary_cell
from bench.analysis.numbers import Numbers
from bench.analysis.words import margin, metric_name, outcome, place, smallest_seen
from bench.conclusion import Comparison, Decision
from bench.model import Scenario
from bench.vocabulary import Better, Question, Role, Side, Verdict

OF_WEIGHT = ("ttft_p50_s", "tpot_p50_s", "error_ratio")  # what a user notices even where throughput wins
_BEHIND = (Verdict.WORSE, Verdict.BEHIND)
_AHEAD = (Verdict.BETTER, Verdict.AHEAD)
_AA = "A/A run: the arms are the same, so every difference is noise; this tests the method, not an arm."
_QUESTION = {
    Question.CONTAINER: "Asked: is the container better, all else matched?",
    Question.SHIPPED: "Asked: is the product as shipped better, defaults against defaults?",
}


def decide(
    numbers: Numbers,
    comparisons: tuple[Comparison, ...],
    *,
    aa: Mapping[str, Any] | None = None,
    withhold: str | None = None,
) -> Decision:
    """One arm, several that do not differ, or unknown."""
    primaries = [c for c in comparisons if c.role is Role.PRIMARY]
    if withhold:
        made = _unknown(f"{withhold[:1].upper()}{withhold[1:]}; no verdict before the planned number.", primaries)
    else:
        made = _settle(numbers, comparisons, primaries)
    if numbers.scenario.question is Question.SHIPPED:
        made = dataclasses.replace(made, sentence=f"{made.sentence} {_as_shipped(numbers)}")
    if aa is None:
        return made
    return dataclasses.replace(made, sentence=f"A/A run. {made.sentence}", because=(_AA, *made.because))


def _settle(numbers: Numbers, comparisons: tuple[Comparison, ...], primaries: list[Comparison]) -> Decision:
    scenario = numbers.scenario
    if silent := _without_number(scenario, primaries):
        where = place({"stage": scenario.primary.stage}) if scenario.primary.stage else ""
        return _unknown(f"Not known: no {scenario.primary.metric}{where} of {', '.join(silent)}.", primaries)
    duels = _duels(numbers, primaries)
    open_ones = [c for c in duels if c.verdict not in (*_BEHIND, Verdict.EQUAL)]
    if barred := [c for c in open_ones if audit.unequal(numbers, c.baseline, c.candidate)]:
        return _unknown(_barred_sentence(numbers, barred[0]), [c for c in duels if c not in barred])
    if open_ones:
        return _unknown(_open_sentence(open_ones[0]), duels)
    arms = (duels[0].baseline, *(c.candidate for c in duels if c.verdict is Verdict.EQUAL))
    return Decision(
        arms=arms,
        state="one" if len(arms) == 1 else "several",
        side=_side(scenario, arms),
        sentence=_sentence(arms, duels, primaries),
        because=(
            *(_explain(duel, primaries) for duel in duels),
            *_against(comparisons, arms),
            _QUESTION[scenario.question],
        ),
    )


def _without_number(scenario: Scenario, primaries: list[Comparison]) -> list[str]:
    """Arms without the primary number; all of them where nothing was compared."""
    has: dict[str, bool] = {}
    for c in primaries:
        has[c.baseline] = has.get(c.baseline, False) or c.baseline_value is not None
        has[c.candidate] = c.candidate_value is not None
    return [arm.name for arm in scenario.arms if not has.get(arm.name)]


def _duels(numbers: Numbers, primaries: list[Comparison]) -> list[Comparison]:
    """The arm with the best primary number as `baseline`, against every other arm."""
    cell = primary_cell(numbers)
    assert cell is not None  # there are primary comparisons
    against_base = {c.candidate: c.ratio if c.ratio is not None else (c.delta or 0.0) for c in primaries}
    against_base[primaries[0].baseline] = 1.0 if primaries[0].ratio is not None else 0.0
    best = max if primaries[0].better is Better.HIGHER else min
    top = best(against_base, key=lambda arm: against_base[arm])
    return [compare_cell(numbers, cell, top, arm, None) for arm in against_base if arm != top]


def _sentence(arms: tuple[str, ...], duels: list[Comparison], primaries: list[Comparison]) -> str:
    told = "; ".join(map(outcome, primaries))
    if len(arms) > 1:
        return f"No practical difference at ±{margin(duels[0])} between {' and '.join(arms)}. {told}."
    unsure = "; the direction is sure, the size is not" if any(c.verdict is Verdict.BEHIND for c in duels) else ""
    if len(primaries) == 1 and arms[0] == primaries[0].candidate:
        return f"{told}{unsure}."
    return f"{arms[0]} is ahead. {told}{unsure}."


def _barred_sentence(numbers: Numbers, comparison: Comparison) -> str:
    """No number in it: a ratio of arms that are configured differently is not one of containers."""
    step = audit.what_to_align(numbers, comparison.baseline, comparison.candidate)
    return f"Not comparable: {comparison.reason}. {step}"


def _as_shipped(numbers: Numbers) -> str:
    """What was asked, and how far the products differ in it."""
    keys = audit.declared(numbers)
    return f"Defaults were compared with defaults{f'; they differ in {audit.listed(keys)}' if keys else ''}."


def _open_sentence(comparison: Comparison) -> str:
    if comparison.verdict is Verdict.INCONCLUSIVE:
        needed = comparison.launches_needed
        now = min(comparison.n["baseline"], comparison.n["candidate"])
        more = (
            f"about {needed} launches of each arm would tell ({now} now)"
            if needed
            else "no budget of launches would tell"
        )
        return f"Not yet known: {more}. {outcome(comparison)}."
    word = "Not comparable" if comparison.verdict is Verdict.NOT_COMPARABLE else "Not known"
    return f"{word}: {comparison.reason}. {outcome(comparison)}."


def _explain(comparison: Comparison, primaries: list[Comparison]) -> str:
    """One duel; told from the side from which the primary comparison is, where it is the same two arms."""
    edge = margin(comparison)
    mirrored = (comparison.candidate, comparison.baseline)
    told = next((c for c in primaries if (c.baseline, c.candidate) == mirrored), comparison)
    tail = {
        Verdict.EQUAL: f"the 90 % interval lies inside ±{edge}: equal for every practical purpose",
        Verdict.WORSE: f"the whole 95 % interval lies beyond the margin of {edge}",
        Verdict.BEHIND: f"direction sure, size not: the 95 % interval reaches into the margin of {edge}",
    }[comparison.verdict]
    return f"{outcome(told)}: {tail}{_power(told)}."


def _power(comparison: Comparison) -> str:
    """What these launches could have seen: said wherever no difference is shown."""
    if comparison.mde is None or comparison.verdict not in (Verdict.EQUAL, Verdict.INCONCLUSIVE):
        return ""
    return f"; so many launches show a difference of {smallest_seen(comparison)} four times in five"


def _against(comparisons: tuple[Comparison, ...], arms: tuple[str, ...]) -> list[str]:
    """Secondary results of weight that speak against a chosen arm."""
    rows = []
    for c in comparisons:
        if c.role is Role.PRIMARY or c.metric not in OF_WEIGHT:
            continue
        loser = c.candidate if c.verdict is Verdict.WORSE else c.baseline if c.verdict is Verdict.BETTER else None
        if loser in arms:
            rows.append(f"But {loser} is worse in {metric_name(c)}{place(c.at)}: {outcome(c)}.")
    return rows


def _unknown(sentence: str, comparisons: list[Comparison]) -> Decision:
    because = tuple(f"{outcome(c)}: {c.reason or c.verdict.value}{_power(c)}." for c in comparisons)
    return Decision(arms=(), state="unknown", side="none", sentence=sentence, because=because)


def _side(scenario: Scenario, arms: tuple[str, ...]) -> str:
    sides: set[Side] = {arm.side for arm in scenario.arms if arm.name in arms}
    return sides.pop().value if len(sides) == 1 else "none"

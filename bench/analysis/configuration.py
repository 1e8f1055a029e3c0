"""Checks of what the engines say they run with: unequal between arms, not told, or changing from start to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.analysis.audit import ArmFact, Pair, differing, facts_of, not_audited, repair, unequal
from bench.analysis.effective import FACTS, KV_SIZE, is_same, shown
from bench.analysis.numbers import Numbers
from bench.record import Finding
from bench.vocabulary import Question, RuntimeKind, Severity

_OF_SIZE = "it is sized by the memory that is free at the start, and a first start finds less"


def unaligned(numbers: Numbers) -> Iterator[Finding]:
    """What the audit found between the baseline and each other arm."""
    base, question = numbers.scenario.baseline, numbers.scenario.question
    for arm in (arm.name for arm in numbers.scenario.arms):
        if arm == base or not (numbers.of_arm(arm) and numbers.of_arm(base)):
            continue
        if question is Question.SHIPPED:
            yield from _declared(numbers, base, arm)
            continue
        if reason := unequal(numbers, base, arm):
            text = f"{reason[:1].upper()}{reason[1:]}. What is measured of these arms is shown, and compares nothing."
            yield Finding(
                id="not-comparable", severity=Severity.WARN, arm=arm, text=text, next=repair(numbers, base, arm)
            )
        yield from _watched(numbers, base, arm)
        yield from _doubts(numbers, base, arm)


def _declared(numbers: Numbers, base: str, arm: str) -> Iterator[Finding]:
    rows = [pair for blocking in (True, False) for pair in differing(numbers, base, arm, blocking=blocking)]
    if rows:
        yield Finding(
            id="differences-declared",
            severity=Severity.INFO,
            arm=arm,
            text=f"As shipped, {len(rows)} settings differ: {'; '.join(row.told(base, arm) for row in rows)}. The "
            "comparison is of the products with all of this, not of the containers alone.",
            next="Ask question: container with these made equal to learn what the container itself does.",
        )


def _watched(numbers: Numbers, base: str, arm: str) -> Iterator[Finding]:
    rows = differing(numbers, base, arm, blocking=False)
    if rows:
        yield Finding(
            id="settings-differ",
            severity=Severity.WARN,
            arm=arm,
            text=f"{len(rows)} setting{'s' if len(rows) > 1 else ''} of scheduling or memory "
            f"differ{'' if len(rows) > 1 else 's'}: "
            f"{'; '.join(row.told(base, arm) for row in rows)}. The ratio is one of these settings too.",
            next="Pin them in serve_args, which both arms get, unless their difference is what the scenario asks.",
        )


def _doubts(numbers: Numbers, base: str, arm: str) -> Iterator[Finding]:
    rows, of = not_audited(numbers, base, arm)
    if not rows:
        return
    engines = [facts_of(numbers, name)["engine_inside"].value for name in (base, arm)]
    runtimes = [one.runtime for one in numbers.scenario.arms if one.name in (base, arm)]
    is_small = all(
        engine == "llamacpp" or runtime is RuntimeKind.PROCESS
        for engine, runtime in zip(engines, runtimes, strict=True)
    )
    yield Finding(
        id="not-audited",
        severity=Severity.INFO if is_small else Severity.WARN,
        arm=arm,
        text=f"{len(rows)} of {of} facts that decide comparability are not known of both arms: "
        f"{', '.join(row.fact.key + _who(row, base, arm) for row in rows)}. Whether they are equal is not proved.",
        next="Let the engines say it (log level INFO, /metrics, /v1/models), or pin it in serve_args.",
    )


def _who(row: Pair, base: str, arm: str) -> str:
    silent = [name for name, fact in ((base, row.one), (arm, row.other)) if fact.value is None]
    return f" ({silent[0]})" if len(silent) == 1 else ""


def lottery(numbers: Numbers) -> Iterator[Finding]:
    """One arm must run with one configuration: engines size the cache by what memory they find at the start."""
    for arm in numbers.scenario.arms:
        for fact in FACTS:
            found = facts_of(numbers, arm.name)[fact.key]
            if is_same(fact, found.values):
                continue
            cause = _OF_SIZE if fact.key in KV_SIZE else "the engine chose it anew at each start"
            yield Finding(
                id="config-changed",
                severity=Severity.WARN,
                arm=arm.name,
                text=f"{fact.key} is not the same in all {len(found.values)} launches: {_spread(found)}; {cause}. "
                "Part of the scatter between launches is this.",
                next=f"{fact.align[:1].upper()}{fact.align[1:]}.",
            )


def _spread(found: ArmFact) -> str:
    numbers = [value for value in found.values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(found.values):
        return f"{shown(min(numbers))} to {shown(max(numbers))}"
    return " / ".join(found.texts)[:300]


def builds_differ(numbers: Numbers) -> Iterator[Finding]:
    """The same release in two builds, such as 0.27.1 and 0.27.1+cu130, is told and blocks nothing."""
    base = numbers.scenario.baseline
    for arm in (arm.name for arm in numbers.scenario.arms if arm.name != base):
        one, other = (facts_of(numbers, name)["engine_version"] for name in (base, arm))
        if one.value is not None and one.value == other.value and set(one.texts) != set(other.texts):
            yield Finding(
                id="engine-build-differs",
                severity=Severity.INFO,
                arm=arm,
                text=f"engine_version reads {one.text} ({base}) and {other.text} ({arm}): one release in two builds.",
            )


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (unaligned, lottery, builds_differ)

"""Are the arms comparable? What each engine says it runs with, fact by fact, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from bench.analysis import audit
from bench.analysis.effective import FACTS, KV_SIZE, Fact
from bench.analysis.numbers import Numbers
from bench.report import format as fmt
from bench.report.subject import Subject
from bench.vocabulary import Question

_ASSUMED = "engine_inside"  # follows from the scenario where an engine says nothing


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One fact of all arms, ready to be shown."""

    fact: str
    texts: tuple[str, ...]  # per arm
    word: str
    css: str  # of a verdict's word


@dataclass(frozen=True, slots=True)
class AuditTable:
    """The whole answer."""

    sentence: str
    next: str | None
    rows: tuple[AuditRow, ...]


def audit_table(subject: Subject) -> AuditTable | None:
    """None where no engine told anything of itself."""
    numbers = subject.numbers
    names = [arm.name for arm in subject.arms]
    said = {fact.key for fact in FACTS for name in names if audit.facts_of(numbers, name)[fact.key].value is not None}
    if len(names) < 2 or not said - {_ASSUMED}:
        return None
    facts = [fact for fact in FACTS if fact.key in said or (fact.blocks and fact.key not in KV_SIZE)]
    if not said & set(KV_SIZE):
        facts.append(next(fact for fact in FACTS if fact.key == KV_SIZE[1]))
    return AuditTable(*_answer(numbers, names), tuple(_row(numbers, fact, names) for fact in FACTS if fact in facts))


def _row(numbers: Numbers, fact: Fact, names: list[str]) -> AuditRow:
    texts = tuple(fmt.safe_text(audit.facts_of(numbers, name)[fact.key].text, 120) for name in names)
    states = {
        pair.state
        for one, other in combinations(names, 2)
        for pair in audit.pairs(numbers, one, other)
        if pair.fact is fact
    }
    is_asked = numbers.scenario.question is Question.CONTAINER
    if "differs" in states and not is_asked:
        return AuditRow(fact.key, texts, "differs, declared", "inconclusive")
    if "differs" in states:
        word = ("unequal: not comparable", "worse") if fact.blocks else ("differs, see the findings", "inconclusive")
        return AuditRow(fact.key, texts, *word)
    if "unknown" in states:
        return AuditRow(fact.key, texts, fmt.UNKNOWN, "unknown")
    alike = len(set(texts)) == 1 or not fact.tolerance
    return AuditRow(fact.key, texts, "same" if alike else f"same within {fmt.percent(fact.tolerance)}", "equal")


def _answer(numbers: Numbers, names: list[str]) -> tuple[str, str | None]:
    """The sentence over the table, and what to do."""
    if numbers.scenario.question is Question.SHIPPED:
        keys = audit.declared(numbers)
        found = f"{len(keys)} facts differ ({', '.join(keys)})" if keys else "no known fact differs"
        return f"Not asked: defaults were compared with defaults. Declared here: {found}.", None
    barred = [pair for pair in combinations(names, 2) if audit.unequal(numbers, *pair)]
    if barred:
        reasons = dict.fromkeys(audit.unequal(numbers, *pair) or "" for pair in barred)
        return f"No. {'; '.join(_capital(text) for text in reasons)}.", audit.repair(numbers, *barred[0])
    doubts = [audit.not_audited(numbers, *pair) for pair in combinations(names, 2)]
    keys = tuple(dict.fromkeys(pair.fact.key for rows, _ in doubts for pair in rows))
    if keys:
        return f"Not proved: {len(keys)} of {doubts[0][1]} facts that decide it are not known of every arm.", None
    return f"Yes: the {doubts[0][1]} facts that decide it are equal.", None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

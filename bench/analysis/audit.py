"""The audit of two effective configurations: what makes a ratio a comparison of containers, and what does not.

Under `question: container` a fact that is known of both arms and unequal takes the ratio's meaning; one that is not
known is a doubt to be told. Under `shipped` the differences are what is bought: declared, and they block nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from bench.analysis.effective import ENGINES, FACTS, KV_SIZE, QUANTISED, Fact, Known, centre, is_same, shown
from bench.analysis.numbers import Numbers
from bench.vocabulary import Question

UNEQUAL = "unequal configuration"  # how every reason of the audit begins
_LONGEST = 120  # characters of a value that an engine chose


@dataclass(frozen=True, slots=True)
class ArmFact:
    """One fact of one arm over its launches that count."""

    value: Known | None  # None = no launch says it
    values: tuple[Known, ...]  # of each launch that says it
    texts: tuple[str, ...]  # in the engine's own words, each once

    @property
    def text(self) -> str:
        """For people."""
        return " | ".join(self.texts) or shown(None)


@dataclass(frozen=True, slots=True)
class Pair:
    """One fact of two arms. `state`: same, differs or unknown."""

    fact: Fact
    one: ArmFact
    other: ArmFact

    @property
    def state(self) -> str:
        """Whether the arms agree in it."""
        if self.one.value is None or self.other.value is None:
            return "unknown"
        return "same" if is_same(self.fact, (self.one.value, self.other.value)) else "differs"

    def told(self, one: str, other: str) -> str:
        """`max_model_len 8,192 (nim) and 4,096 (custom)`."""
        return f"{self.fact.key} {shown(self.one.value)} ({one}) and {shown(self.other.value)} ({other})"


def facts_of(numbers: Numbers, arm: str) -> dict[str, ArmFact]:
    """What the arm's launches that count say, by key."""
    if arm not in numbers.arm_facts:
        engine = next(one.engine for one in numbers.scenario.arms if one.name == arm)
        known = {"engine_inside": engine} if engine in ENGINES else {}  # its adapter could read it: it is that engine
        configs = [known | dict(one.launch.effective_config) for one in numbers.of_arm(arm)]
        numbers.arm_facts[arm] = {fact.key: _fact(fact, configs) for fact in FACTS}
    return numbers.arm_facts[arm]


def _fact(fact: Fact, configs: list[dict[str, object]]) -> ArmFact:
    read = [(value, config) for config in configs if (value := fact.read(config)) is not None]
    texts = [_in_own_words(value, config.get(fact.key)) for value, config in read]
    values = [value for value, _ in read]
    return ArmFact(centre(fact, values), tuple(values), tuple(dict.fromkeys(texts)))


def _in_own_words(value: Known, said: object) -> str:
    if not isinstance(value, str):
        return shown(value)
    return f"auto ({value})" if said == "auto" else str(said)[:_LONGEST]


def pairs(numbers: Numbers, one: str, other: str) -> tuple[Pair, ...]:
    """Every fact of two arms side by side."""
    mine, theirs = facts_of(numbers, one), facts_of(numbers, other)
    rows = [Pair(fact, mine[fact.key], theirs[fact.key]) for fact in FACTS]
    is_unsure = _says_it_otherwise(mine, theirs) or _says_it_otherwise(theirs, mine)
    return tuple(_unsure(row) if is_unsure and row.fact.key == "precision" else row for row in rows)


def _says_it_otherwise(mine: dict[str, ArmFact], theirs: dict[str, ArmFact]) -> bool:
    """A profile calls `fp8` what its engine calls bfloat16 quantised to fp8: no proof of a difference, nor of none."""
    is_profile_word = isinstance(mine["precision"].value, str) and QUANTISED.match(mine["precision"].value)
    return bool(is_profile_word) and theirs["quantization"].value not in (None, "none")


def _unsure(row: Pair) -> Pair:
    return row if row.state == "same" else dataclasses.replace(row, one=dataclasses.replace(row.one, value=None))


def differing(numbers: Numbers, one: str, other: str, *, blocking: bool) -> list[Pair]:
    """The facts in which they are known to differ; what only follows from another one is left out."""
    found = [pair for pair in pairs(numbers, one, other) if pair.state == "differs" and pair.fact.blocks is blocking]
    keys = {pair.fact.key for pair in found}
    follows = {"engine_version"} if "engine_inside" in keys else set()
    follows |= {"kv_cache_dtype"} if "precision" in keys else set()  # `auto` is the precision
    follows |= {KV_SIZE[1]} if KV_SIZE[0] in keys else set()
    return [pair for pair in found if pair.fact.key not in follows]


def unequal(numbers: Numbers, one: str, other: str) -> str | None:
    """Why a ratio of these arms means nothing, or None."""
    if numbers.scenario.question is not Question.CONTAINER:
        return None
    one, other = _in_order(numbers, one, other)
    found = differing(numbers, one, other, blocking=True)
    return f"{UNEQUAL}: {'; '.join(pair.told(one, other) for pair in found)}" if found else None


def repair(numbers: Numbers, one: str, other: str) -> str:
    """How to align each of the unequal facts, and the command that does it for a NIM."""
    rows = differing(numbers, one, other, blocking=True)
    ways = dict.fromkeys(pair.fact.align for pair in rows)
    told = "; ".join(f"{listed(pair.fact.key for pair in rows if pair.fact.align == way)}: {way}" for way in ways)
    command = align_command(numbers)
    by_verb = f" `{command}` prints a scenario whose arms agree in what are arguments." if command else ""
    return f"Align {told}.{by_verb}"


def what_to_align(numbers: Numbers, one: str, other: str) -> str:
    """The same in a few words, for the verdict's sentence."""
    keys = listed(pair.fact.key for pair in differing(numbers, one, other, blocking=True))
    command = align_command(numbers)
    return f"Align {keys}{f' ({command})' if command else ''} and run again."


def align_command(numbers: Numbers) -> str | None:
    """The verb that replays a NIM's own engine arguments; None where no arm is a NIM."""
    has_nim = any(arm.engine == "nim" for arm in numbers.scenario.arms)
    return f"nimbench align {numbers.scenario.name}" if has_nim else None


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _in_order(numbers: Numbers, *arms: str) -> list[str]:
    """The baseline first, so that one fact is told in one way wherever it stands."""
    names = [numbers.scenario.baseline, *(arm.name for arm in numbers.scenario.arms)]
    return sorted(arms, key=names.index)


def declared(numbers: Numbers) -> tuple[str, ...]:
    """Keys of the facts in which any two arms are known to differ."""
    names = [arm.name for arm in numbers.scenario.arms]
    keys = {
        pair.fact.key
        for one, other in combinations(names, 2)
        for blocking in (True, False)
        for pair in differing(numbers, one, other, blocking=blocking)
    }
    return tuple(fact.key for fact in FACTS if fact.key in keys)


def not_audited(numbers: Numbers, one: str, other: str) -> tuple[list[Pair], int]:
    """Facts that would block but are not known of both arms, and out of how many; the size of the cache counts once."""
    rows = [pair for pair in pairs(numbers, one, other) if pair.fact.blocks]
    sizes = [pair for pair in rows if pair.fact.key in KV_SIZE]
    spare = KV_SIZE[0] if all(pair.state == "unknown" for pair in sizes) else None
    open_ones = [pair for pair in rows if pair.state == "unknown" and pair.fact.key != spare]
    if any(pair.state != "unknown" for pair in sizes):
        open_ones = [pair for pair in open_ones if pair.fact.key not in KV_SIZE]
    return open_ones, len(rows) - 1

"""Checks of how the run was conducted: launches, host, order and drift."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from bench.analysis import stats
from bench.analysis.compare import Measure
from bench.analysis.comparisons import measure_of, primary_cell
from bench.analysis.numbers import SUSPENDED_S, Numbers, slept_s
from bench.analysis.words import amount
from bench.record import Finding
from bench.vocabulary import ImageAbsent, LaunchStatus, Mark, Purpose, Replication, RunStatus, Severity

AGE_RATIO, AGE_S = 1.2, 10.0  # a server's age matters over minutes; below ten seconds a fifth of it is nothing
LEAST_BLOCKS_FOR_TREND = 4


def burn_in(numbers: Numbers) -> Iterator[Finding]:
    """What was dropped by plan."""
    dropped = [one.launch for one in numbers.data.launches if one.launch.burn_in]
    if dropped:
        yield Finding(
            id="burn-in-dropped",
            severity=Severity.INFO,
            text=f"{len(dropped)} burn-in launches are in no number: the first block warms the host's caches. "
            "The plan said so before the run.",
        )


def missing_launches(numbers: Numbers) -> Iterator[Finding]:
    """Fewer launches than planned."""
    planned, run = numbers.scenario.launches.blocks, numbers.data.run
    for arm in numbers.scenario.arms:
        kept = len(numbers.of_arm(arm.name))
        if kept >= planned:
            continue
        lost = [
            f"launch {launch.index}: {launch.failure.kind.value if launch.failure else launch.status.value}"
            for launch in (one.launch for one in numbers.data.launches)
            if launch.arm == arm.name and launch.status is not LaunchStatus.DONE and launch.purpose is Purpose.LOAD
        ]
        if not lost and run.status is not RunStatus.COMPLETE:
            text, step = "the run is not finished).", "Finish the run, with --resume if it does not go on by itself."
        else:
            text = (
                f"{'; '.join(lost) or 'no reason recorded'}). Launches that fail are often not a random choice: "
                "those left may flatter the arm."
            )
            step = "Look at the server log of the lost launches; finish the run with --resume."
        yield Finding(
            id="launches-missing",
            severity=Severity.WARN,
            arm=arm.name,
            text=f"{kept} of {planned} planned launches count ({text}",
            next=step,
        )


def host_slept(numbers: Numbers) -> Iterator[Finding]:
    """Suspend stops the clock of the measurement."""
    for one in numbers.data.launches:
        slept = slept_s(one.launch)
        if slept > SUSPENDED_S:
            yield Finding(
                id="host-suspended",
                severity=Severity.VOID,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"The host slept {slept:.2f} s during the launch; its numbers are left out.",
                next="Forbid suspend on this host while measuring, then --resume the run.",
            )


def not_relaunched(numbers: Numbers) -> Iterator[Finding]:
    """Repeats without a fresh start share one start's luck."""
    for arm in numbers.scenario.arms:
        kinds = Counter(one.launch.replication for one in numbers.of_arm(arm.name))
        repeats = sum(n for kind, n in kinds.items() if kind is not Replication.LAUNCH)
        if repeats:
            yield Finding(
                id="not-relaunched",
                severity=Severity.WARN,
                arm=arm.name,
                text=f"{repeats} of {sum(kinds.values())} launches were no fresh start of the server: the intervals "
                "hold for this one start of it, and leave out what differs from start to start (3–8 % is usual).",
                next="Let the suite start the server, by image or command instead of url.",
            )


def changed_between_launches(numbers: Numbers) -> Iterator[Finding]:
    """One arm must be one thing. An image that is built for each launch has other digests by the plan."""
    is_rebuilt = numbers.scenario.coldstart.image_absent is ImageAbsent.EACH
    for arm in numbers.scenario.arms:
        launches = [one.launch for one in numbers.of_arm(arm.name)]
        for what in ("versions",) if is_rebuilt else ("versions", "digests"):  # GPUs may rotate by plan
            seen = {repr(sorted(value.items()) if isinstance(value, Mapping) else value): value
                    for value in (getattr(launch, what) for launch in launches)}  # fmt: skip
            if len(seen) > 1:
                yield Finding(
                    id=f"{what}-changed",
                    severity=Severity.WARN,
                    arm=arm.name,
                    text=f"The {what} of the arm are not the same in all {len(launches)} launches: "
                    f"{' / '.join(str(value) for value in seen.values())[:300]}.",
                    next="Pin the image or the packages, and run again.",
                )


def never_steady(numbers: Numbers) -> Iterator[Finding]:
    """Launches whose first requests did not settle, in a run in which others did."""
    launches = [one.launch for one in numbers.kept]
    if not any(Mark.STEADY in launch.marks for launch in launches):
        return
    for arm, count in sorted(Counter(x.arm for x in launches if Mark.STEADY not in x.marks).items()):
        yield Finding(
            id="steady-never-reached",
            severity=Severity.WARN,
            arm=arm,
            text=f"In {count} launches the time to first token never settled after the start; something may still "
            "have been compiling or loading.",
            next="Lengthen load.warmup_s and look at the first requests of these launches.",
        )


def unequal_age(numbers: Numbers) -> Iterator[Finding]:
    """Servers slow down or speed up with age; the arms must be equally old at a stage."""
    for stage in numbers.scenario.load.stages:
        ages = {}
        for arm in numbers.scenario.arms:
            windows = [rows.window for rows in numbers.passes_at(arm.name, stage.id)]
            known = [window.server_age_s for window in windows if window.server_age_s is not None]
            if known:
                ages[arm.name] = sum(known) / len(known)
        if len(ages) < 2:
            continue
        young, old = min(ages, key=lambda arm: ages[arm]), max(ages, key=lambda arm: ages[arm])
        if ages[old] > AGE_RATIO * ages[young] and ages[old] - ages[young] > AGE_S:
            yield Finding(
                id="server-age-unequal",
                severity=Severity.WARN,
                at={"stage": stage.id},
                text=f"At the start of the window {old} was {ages[old]:.0f} s old and {young} {ages[young]:.0f} s. "
                "Caches, clocks and memory change with a server's age.",
                next="Equalise with load.warmup_s, or judge only the stages at which the ages agree.",
            )


def drift(numbers: Numbers) -> Iterator[Finding]:
    """Both arms slower or faster from block to block: the host changed while it was measured."""
    for measure, samples in _primary_samples(numbers):
        blocks = sorted(set.intersection(*(set(sample) for sample in samples.values())))
        if len(blocks) < LEAST_BLOCKS_FOR_TREND:
            continue
        levels = [math.fsum(sample[block] for sample in samples.values()) / len(samples) for block in blocks]
        slope = stats.trend(blocks, levels)
        change = slope.centre * (blocks[-1] - blocks[0])
        if slope.p_two_sided < stats.ALPHA and abs(change) > _working_margin(measure):
            yield Finding(
                id="drift",
                severity=Severity.WARN,
                text=f"Over the blocks {measure.metric} of all arms together moved by {_shown(measure, change)} "
                f"(p = {slope.p_two_sided:.3f}): the host, its clocks or its neighbours changed. Pairing by block "
                "keeps the ratio fair; the arms' own values are those of this hour.",
                next="Look at the host telemetry; measure on a quiet host.",
            )


def order_in_block(numbers: Numbers) -> Iterator[Finding]:
    """Whether it matters who came first in a block."""
    for measure, samples in _primary_samples(numbers):
        base = numbers.scenario.baseline
        first = {numbers.blocks[x.launch.index]: x.launch.order_in_block for x in numbers.of_arm(base)}
        for arm, sample in samples.items():
            if arm == base:
                continue
            mine = {numbers.blocks[x.launch.index]: x.launch.order_in_block for x in numbers.of_arm(arm)}
            shared = [block for block in sample if block in samples[base]]
            by_order: dict[bool, list[float]] = {True: [], False: []}
            for block in shared:
                by_order[mine[block] < first[block]].append(sample[block] - samples[base][block])
            yield from _order_finding(measure, arm, by_order[False], by_order[True])


def _order_finding(measure: Measure, arm: str, later: list[float], earlier: list[float]) -> Iterator[Finding]:
    if len(later) + len(earlier) >= 2 and not (later and earlier):
        yield Finding(
            id="order-never-varied",
            severity=Severity.INFO,
            arm=arm,
            text=f"{arm} came {'later' if later else 'earlier'} than the baseline in all {len(later or earlier)} "
            "blocks, by chance: an effect of the order cannot be told from one of the arm.",
            next="Run more blocks, or another launches.seed.",
        )
    elif len(later) >= 2 and len(earlier) >= 2:
        effect = stats.welch(later, earlier)
        if effect.p_two_sided < stats.ALPHA and abs(effect.centre) > _working_margin(measure) / 2:
            yield Finding(
                id="order-effect",
                severity=Severity.WARN,
                arm=arm,
                text=f"{measure.metric} against the baseline differs by {_shown(measure, effect.centre)} between "
                f"blocks in which {arm} came first and later (p = {effect.p_two_sided:.3f}): a launch seems to leave "
                "something behind for the next (heat, page cache, memory).",
                next="Raise launches.cooldown_s.",
            )


def _primary_samples(numbers: Numbers) -> Iterator[tuple[Measure, dict[str, dict[int, float]]]]:
    """The primary metric per arm and block on the scale of work; nothing where an arm has no such number."""
    cell = primary_cell(numbers)
    if cell is None:
        return
    measure = measure_of(numbers.scenario, cell)
    samples = {}
    for arm in numbers.scenario.arms:
        known = {block: value for block, value in numbers.by_block(cell, arm.name).items() if value is not None}
        if not known or (measure.is_ratio and min(known.values()) <= 0):
            return
        samples[arm.name] = {block: math.log(v) if measure.is_ratio else v for block, v in known.items()}
    yield measure, samples


def _working_margin(measure: Measure) -> float:
    return math.log1p(measure.margin) if measure.is_ratio else measure.margin


def _shown(measure: Measure, change: float) -> str:
    return f"{math.expm1(change) * 100:+.1f} %" if measure.is_ratio else amount(change, measure.unit, sign=True)


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (
    burn_in,
    missing_launches,
    host_slept,
    not_relaunched,
    changed_between_launches,
    never_steady,
    unequal_age,
    drift,
    order_in_block,
)

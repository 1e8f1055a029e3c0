"""Checks of idle power: whether it is known, and whether the arms began from like states of their cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.analysis.compare import Measure, compare
from bench.analysis.energy import DISAGREE
from bench.analysis.gathered import Seen, gather
from bench.analysis.idle import IdlePower
from bench.analysis.numbers import Cell, Numbers
from bench.analysis.words import percent, watts
from bench.record import Finding
from bench.vocabulary import Better, Severity

STATES_DIFFER = 0.05  # of the power with no arm: more is no noise of measuring


def idle_known(numbers: Numbers) -> Iterator[Finding]:
    """Idle windows without a number."""
    for loaded in (False, True):
        seen = _seen(numbers, loaded, lambda power: () if power.watts is None else None)
        for group in gather(seen):
            text = f"The idle power {_when(loaded)} is not known of {group.launches}: {group.causes}."
            step = "Keep the GPU for the benchmark alone; with nothing loaded there are no net joules else."
            yield group.finding("idle-power-not-known", Severity.WARN, text, step)


def idle_agrees(numbers: Numbers) -> Iterator[Finding]:
    """Idle windows in which a GPU's two ways of counting disagree."""

    def apart(power: IdlePower) -> tuple[float, ...] | None:
        known = power.watts is not None and power.integrated_w is not None and power.disagreement is not None
        if not known or abs(power.disagreement[1]) <= DISAGREE:  # type: ignore[index]
            return None
        return power.watts, power.integrated_w, abs(power.disagreement[1])  # type: ignore[index,return-value]

    for loaded in (False, True):
        for group in gather(_seen(numbers, loaded, apart)):
            text = (
                f"Idle {_when(loaded)}, the energy counters say {group.range_of(0, watts)} and sampled power "
                f"{group.range_of(1, watts)} in {group.launches}, one GPU up to {percent(group.most(2))} apart: net "
                "joules, which leave idle out, are as uncertain as that."
            )
            step = "Compare gross joules; some cards misreport what they take when idle."
            yield group.finding("idle-power-disagrees", Severity.WARN, text, step)


def idle_states_alike(numbers: Numbers) -> Iterator[Finding]:
    """Arms whose cards took more, or less, before them than before the baseline, block by block."""
    cell = next((cell for cell in numbers.cells if cell.metric.name == "idle_power_w"), None)
    baseline = numbers.scenario.baseline
    if cell is None:
        return
    measure = Measure(metric=cell.metric.name, unit="W", better=Better.LOWER, margin=STATES_DIFFER)
    for arm in (arm.name for arm in numbers.scenario.arms if arm.name != baseline):
        found = compare(measure, (baseline, _known(numbers, cell, baseline)), (arm, _known(numbers, cell, arm)))
        low, high = measure.region
        if found.ci95 is None or found.ratio is None or low <= found.ratio <= high:
            continue
        if found.ci95[0] > 1 or found.ci95[1] < 1:
            yield Finding(
                id="idle-states-differ",
                severity=Severity.WARN,
                arm=arm,
                text=f"With no arm on them the GPUs took {found.candidate_value:.3g} W before {arm} and "
                f"{found.baseline_value:.3g} W before {baseline}, over {found.n['pairs'] or 'unpaired'} blocks: the "
                "arms began from unlike states, such as clocks still up after the run before.",
                next="Lengthen launches.gpu_idle and the pause between launches; run again.",
            )


def _known(numbers: Numbers, cell: Cell, arm: str) -> dict[int, float | None]:
    """By block. A launch whose idle window was spoilt is left out: unlike a number under load that is no choice."""
    return {block: value for block, value in numbers.by_block(cell, arm).items() if value is not None}


def _seen(numbers: Numbers, loaded: bool, sizes: Callable[[IdlePower], tuple[float, ...] | None]) -> Iterator[Seen]:
    for one in numbers.kept:
        for power in numbers.idle.get(one.launch.index, ()):
            if power.loaded is loaded and (found := sizes(power)) is not None:
                yield Seen(arm=one.launch.arm, launch=one.launch.index, numbers=found, cause=power.problem or "")


def _when(loaded: bool) -> str:
    return "with the arm loaded" if loaded else "before the arm"


CHECKS = (idle_known, idle_agrees, idle_states_alike)

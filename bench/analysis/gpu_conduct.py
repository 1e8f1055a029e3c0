"""Whether the GPUs ran as they should under load, and for the arm alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pandas as pd

from bench.analysis.gathered import Seen, gather
from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import Severity
from bench.voids import MOST_SLOWED, POWER_CAP, event_bits, held_back, intruders, within


def slowed_down(numbers: Numbers) -> Iterator[Finding]:
    """GPUs that their own protection held back; and those at their power limit, which is no fault."""
    slowed: list[Seen] = []
    briefly: list[Seen] = []
    capped: list[Seen] = []
    for one in numbers.kept:
        rows = numbers.cards(one)
        if rows is None:
            continue
        for window in one.launch.stages:
            seen = Seen(arm=one.launch.arm, launch=one.launch.index, stage=window.stage)
            inside = within(rows, window)
            if shares := held_back(rows, window):
                found = dataclasses.replace(seen, cause=", ".join(sorted(shares)), numbers=(max(shares.values()),))
                (slowed if max(shares.values()) > MOST_SLOWED else briefly).append(found)
            bits = event_bits(inside)
            share = float((bits & POWER_CAP).astype(bool).mean()) if len(bits) else 0.0
            if share > 0:
                capped.append(dataclasses.replace(seen, numbers=(share,)))
    for group in gather(slowed):
        text = (
            f"The GPU was held back in {group.where}, for {group.range_of(0, percent)} of the time: {group.causes}. "
            "These numbers are of a card that protects itself, and are left out."
        )
        yield group.finding("gpu-slowed-down", Severity.VOID, text, "Repair cooling or supply; run again.")
    for group in gather(briefly):
        text = (
            f"The GPU was held back for moments of {group.where}, {group.range_of(0, percent)} of the time: "
            f"{group.causes}; too short to move a number."
        )
        yield group.finding("gpu-briefly-slowed-down", Severity.INFO, text)
    for group in gather(capped):
        text = (
            f"The GPU was at its power limit in {group.range_of(0, percent)} of the samples of {group.where}: usual "
            "under full load, and part of the result."
        )
        yield group.finding("gpu-at-power-limit", Severity.INFO, text)


def others_on_the_gpu(numbers: Numbers) -> Iterator[Finding]:
    """A process that is not the arm's on its GPU; between the stages it takes no number away."""
    shared, between = [], []
    for one in numbers.kept:
        if one.telemetry is None or numbers.cards(one) is None:
            continue
        strangers = intruders(one.telemetry, one.launch.stages)
        if strangers.empty:
            continue
        seen = Seen(arm=one.launch.arm, launch=one.launch.index, cause=_named(strangers))
        touched = [window.stage for window in one.launch.stages if len(within(strangers, window))]
        shared += [dataclasses.replace(seen, stage=stage) for stage in touched]
        between += [] if touched else [seen]
    step = "Keep the GPU for the benchmark alone, and run again."
    for group in gather(shared):
        text = f"{group.causes} while the arm was measured, in {group.where}, which are left out."
        yield group.finding("gpu-shared", Severity.VOID, text, step)
    for group in gather(between):
        text = f"{group.causes} under load, but in no window, in {group.launches}: no number is left out."
        yield group.finding("gpu-shared", Severity.WARN, text, step)


def _named(strangers: pd.DataFrame) -> str:
    words = []
    for entity, size in strangers.groupby("entity")["value"].max().items():
        uuid, _, pid = str(entity).partition("/")
        who = f"Process {pid}, which is not the arm's ({size / 2**30:.2g} GiB)," if pid else "One more process"
        words.append(f"{who} was on {uuid}")
    return "; ".join(words)


CHECKS = (slowed_down, others_on_the_gpu)

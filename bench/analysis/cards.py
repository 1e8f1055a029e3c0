"""Which cards the launches ran on: a pair must share its card; of cards that take turns it is told how they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy import special

from bench.analysis import stats
from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import Severity

Place = frozenset[str]  # cards used together; in which order they were named is nothing


def pairs_share_cards(numbers: Numbers) -> Iterator[Finding]:
    """Blocks whose arms ran on different cards: their ratio is of cards too."""
    places = {
        block: {Place(one.launch.devices) for one in numbers.kept if one.launch.block == block and one.launch.devices}
        for block in numbers.blocks.values()
    }
    split = [block for block, found in places.items() if len(found) > 1]
    if split:
        yield Finding(
            id="pairs-on-different-gpus",
            severity=Severity.WARN,
            text=f"In {len(split)} of {len(places)} blocks the arms ran on different GPUs: cards "
            "of one model differ by a few per cent, and that is in the ratio.",
            next="Finish a run on the host that it began on, with the same cards free.",
        )


def cards_took_turns(numbers: Numbers) -> Iterator[Finding]:
    """Which places there were, and how far they are apart where the baseline's own launches show that they are."""
    baseline = numbers.scenario.baseline
    places = {Place(one.launch.devices) for one in numbers.of_arm(baseline) if one.launch.devices}
    if len(places) > 1:
        yield Finding(
            id="gpus-took-turns",
            severity=Severity.INFO,
            text=f"The blocks took turns on {len(places)} places of {len(next(iter(places)))} GPU; the arms of a block "
            f"shared theirs, so that no card favours an arm.{_apart(_by_place(numbers))}",
            next=None,
        )


def _by_place(numbers: Numbers) -> dict[Place, list[float]]:
    """The logarithms of the baseline's primary numbers."""
    primary, baseline = numbers.scenario.primary, numbers.scenario.baseline
    found: dict[Place, list[float]] = {}
    for cell in numbers.cells:
        if cell.metric.name != primary.metric or (primary.stage and cell.at != {"stage": primary.stage}):
            continue
        for one in numbers.of_arm(baseline):
            value = cell.numbers[baseline].get(one.launch.index)
            if one.launch.devices and value is not None and value > 0:
                found.setdefault(Place(one.launch.devices), []).append(math.log(value))
    return found


def _apart(of_places: dict[Place, list[float]]) -> str:
    """Empty where the places differ by no more than launches of one place do: a largest difference is never 0."""
    groups = list(of_places.values())
    p = _one_way_p(groups)
    if p is None or p >= stats.ALPHA:
        return ""
    means = [math.fsum(logs) / len(logs) for logs in groups]
    counts = [len(logs) for logs in groups]
    launches = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return (
        f" The places are {percent(round(math.expm1(max(means) - min(means)), 4))} apart by the baseline's primary "
        f"numbers (one-way test over {launches} launches of each: p = {p:.2g})."
    )


def _one_way_p(groups: list[list[float]]) -> float | None:
    """Chance under one-way analysis of variance of means this far apart; None where no place has two launches."""
    values = [value for group in groups for value in group]
    between, within = len(groups) - 1, len(values) - len(groups)
    if between < 1 or within < 1:
        return None
    means = [math.fsum(group) / len(group) for group in groups]
    overall = math.fsum(values) / len(values)
    explained = math.fsum(len(group) * (mean - overall) ** 2 for group, mean in zip(groups, means, strict=True))
    left = math.fsum((value - mean) ** 2 for group, mean in zip(groups, means, strict=True) for value in group)
    return float(special.fdtrc(between, within, explained / between / (left / within))) if left else None


CHECKS = (pairs_share_cards, cards_took_turns)

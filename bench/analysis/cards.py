"""Which cards the launches ran on: a pair must share its card; of cards that take turns it is told how they differ."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import Severity


def pairs_share_cards(numbers: Numbers) -> Iterator[Finding]:
    """Blocks whose arms ran on different cards: their ratio is of cards too."""
    split = [
        block
        for block in sorted(set(numbers.blocks.values()))
        if len({one.launch.devices for one in numbers.kept if one.launch.block == block and one.launch.devices}) > 1
    ]
    if split:
        yield Finding(
            id="pairs-on-different-gpus",
            severity=Severity.WARN,
            text=f"In {len(split)} of {len(set(numbers.blocks.values()))} blocks the arms ran on different GPUs: cards "
            "of one model differ by a few per cent, and that is in the ratio.",
            next="Finish a run on the host that it began on, with the same cards free.",
        )


def cards_took_turns(numbers: Numbers) -> Iterator[Finding]:
    """How far the cards are apart, by the baseline's own launches."""
    primary, baseline = numbers.scenario.primary, numbers.scenario.baseline
    at = {"stage": primary.stage} if primary.stage else {}
    of_cards: dict[tuple[str, ...], list[float]] = {}
    for cell in numbers.cells:
        if cell.metric.name != primary.metric or (primary.stage and cell.at != at):
            continue
        for one in numbers.of_arm(baseline):
            value = cell.numbers[baseline].get(one.launch.index)
            if one.launch.devices and value is not None:
                of_cards.setdefault(one.launch.devices, []).append(value)
    if len(of_cards) < 2:
        return
    medians = {devices: statistics.median(values) for devices, values in of_cards.items()}
    least, most = min(medians.values()), max(medians.values())
    apart = f"{percent(round(most / least - 1, 4))} apart" if least > 0 else "not to be set in a ratio"
    yield Finding(
        id="gpus-took-turns",
        severity=Severity.INFO,
        text=f"The blocks took turns on {len(of_cards)} places of {len(next(iter(of_cards)))} GPU; the arms of a block "
        f"shared theirs, so that no card favours an arm. By {baseline}'s {primary.metric} the places are {apart}.",
        next=None,
    )


CHECKS = (pairs_share_cards, cards_took_turns)

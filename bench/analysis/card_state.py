"""In what state each launch met its cards: how warm, at which clocks under load, and what they do not tell."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from bench.analysis.numbers import Numbers
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import Severity
from bench.voids import BAND_C, within

APART = 0.05  # of the SM clock between launches of one arm at one stage: as much as a throughput that matters
_LEAST = 3  # launches of which one can be apart from the others
_FIRST_S = 5.0  # of a launch: before its arm can have warmed the card


def began_unlike_warm(numbers: Numbers) -> Iterator[Finding]:
    """Arms whose launches began on a warmer card than the baseline's of the same blocks."""
    baseline = numbers.scenario.baseline
    warm: dict[str, dict[int, float]] = defaultdict(dict)
    for one in numbers.kept:
        if (began_c := _began_c(numbers.cards(one))) is not None:
            warm[one.launch.arm][one.launch.block] = began_c
    of_baseline = warm.get(baseline, {})
    for arm, of_blocks in warm.items():
        both = [began_c - of_baseline[block] for block, began_c in of_blocks.items() if block in of_baseline]
        if arm != baseline and both and abs(apart_c := statistics.fmean(both)) > BAND_C:
            yield Finding(
                id="arms-began-unlike-warm",
                severity=Severity.WARN,
                arm=arm,
                text=f"Its launches began on cards {abs(apart_c):.1f} °C {'warmer' if apart_c > 0 else 'colder'} than "
                f"{baseline}'s in the same blocks, in the mean: heat costs clocks and power.",
                next="Run with a burn-in block, or a longer launches.cooldown.",
            )


def clocks_apart(numbers: Numbers) -> Iterator[Finding]:
    """Launches of one arm on one place whose SM clock under load is unlike that of the others."""
    clocks: dict[tuple[str, str, tuple[str, ...]], dict[int, float]] = defaultdict(dict)
    for one in numbers.kept:
        rows = numbers.cards(one)
        for window in one.launch.stages if rows is not None else ():
            assert rows is not None
            inside = within(rows[rows["metric"] == "sm_clock_hz"], window)["value"]
            if len(inside):
                clocks[one.launch.arm, window.stage, one.launch.devices][one.launch.index] = float(inside.median())
    for (arm, stage, _), of_launches in clocks.items():
        usual = statistics.median(of_launches.values())
        odd = {index: hz for index, hz in of_launches.items() if abs(hz / usual - 1) > APART} if usual else {}
        if len(of_launches) >= _LEAST and odd:
            listed = ", ".join(f"launch {index} at {hz / 1e9:.2f} GHz" for index, hz in sorted(odd.items()))
            yield Finding(
                id="gpu-clock-apart",
                severity=Severity.WARN,
                at={"stage": stage},
                arm=arm,
                launch=next(iter(odd)) if len(odd) == 1 else None,
                text=f"The SM clock was more than {percent(APART)} away from {usual / 1e9:.2f} GHz, the median of its "
                f"launches: {listed}.",
                next="See that nobody locks clocks (nvidia-smi -lgc) or changes the power limit during a run.",
            )


def not_told(numbers: Numbers) -> Iterator[Finding]:
    """What cards or their driver do not tell, once for a run, and what they failed to tell in between."""
    absent: dict[str, dict[str, None]] = defaultdict(dict)  # reason -> metrics
    failed: dict[str, int] = defaultdict(int)
    samples = 0
    for one in numbers.kept:
        sampler = one.launch.client.get("sampler") or {}
        samples += (sampler.get("samples") or {}).get("gpu", 0)
        for of_card in (sampler.get("gpu_absent") or {}).values():
            for metric, reason in of_card.items():
                absent[reason][metric] = None
        for counts in (sampler.get("gpu_failed") or {}).values():
            for metric, count in counts.items():
                failed[metric] += count
    if absent:
        listed = "; ".join(f"{', '.join(sorted(metrics))} ({reason})" for reason, metrics in sorted(absent.items()))
        yield Finding(
            id="gpu-does-not-tell", severity=Severity.INFO, text=f"The GPUs or their driver do not tell: {listed}."
        )
    if failed:
        listed = ", ".join(f"{metric} {count} times" for metric, count in sorted(failed.items()))
        yield Finding(
            id="gpu-reads-failed",
            severity=Severity.WARN,
            text=f"Reads of the GPUs failed in {samples} samples: {listed}.",
            next="Look at dmesg for XID errors; a card that answers so is often sick.",
        )


def _began_c(rows: pd.DataFrame | None) -> float | None:
    """Of the warmest of a launch's cards, before its arm was there."""
    if rows is None:
        return None
    early: pd.DataFrame = rows[(rows["metric"] == "temperature_c") & (rows["t_s"] <= rows["t_s"].min() + _FIRST_S)]
    firsts = early.sort_values("t_s").groupby("entity")["value"].first()
    return float(firsts.max()) if len(firsts) else None


CHECKS = (began_unlike_warm, clocks_apart, not_told)

"""Checks of the GPUs under load: whether their joules can be believed, and whether they ran as they should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.analysis.energy import DISAGREE, cut_gpus, gpu_rows
from bench.analysis.numbers import Numbers
from bench.analysis.rows import StageRows
from bench.analysis.words import percent
from bench.record import Finding, Launch
from bench.vocabulary import Severity
from bench.voids import MOST_SLOWED, POWER_CAP, event_bits, held_back, intruders, within


def energy_known(numbers: Numbers) -> Iterator[Finding]:
    """Why a window has no joules, and windows whose two ways of counting disagree."""
    for launch, rows in _windows(numbers):
        energy = rows.energy
        if energy is None:
            continue
        if energy.problem:
            yield _finding(
                "energy-not-known",
                Severity.WARN,
                launch,
                rows,
                f"No joules of this window: {energy.problem}.",
                "Look at the GPU's telemetry; measure again with the driver's persistence mode on.",
            )
        apart = energy.disagreement
        if apart is not None and abs(apart) > DISAGREE:
            yield _finding(
                "energy-disagrees",
                Severity.WARN,
                launch,
                rows,
                f"Power integrated over the window gives {percent(abs(apart))} "
                f"{'more' if apart > 0 else 'less'} than the energy counter: one is not what it seems.",
                "Believe neither number of joules before the cause is found.",
            )


def energy_refused(numbers: Numbers) -> Iterator[Finding]:
    """Cards cut by MIG."""
    cut: set[str] = set()
    for one in numbers.kept:
        rows = gpu_rows(one.telemetry)
        cut |= set(cut_gpus(numbers.data.run.host, set(rows["entity"]) if rows is not None else set()))
    if cut:
        yield Finding(
            id="energy-refused",
            severity=Severity.WARN,
            text=f"No joules: {', '.join(sorted(cut))} is cut by MIG, and its counter is the whole card's.",
            next="Switch MIG off to measure energy.",
        )


def slowed_down(numbers: Numbers) -> Iterator[Finding]:
    """GPUs that their own protection held back; and those at their power limit, which is no fault."""
    for launch, rows in _windows(numbers):
        if rows.gpu is None:
            continue
        inside = within(rows.gpu, rows.window)
        slowed = held_back(rows.gpu, rows.window)
        causes = [f"{cause} {percent(share)} of the time" for cause, share in sorted(slowed.items())]
        if slowed and max(slowed.values()) > MOST_SLOWED:
            yield _finding(
                "gpu-slowed-down",
                Severity.VOID,
                launch,
                rows,
                f"The GPU was held back within this window: {', '.join(causes)}. Its numbers are of a card that "
                "protects itself, and are left out.",
                "Repair cooling or supply; run again.",
            )
        elif slowed:
            yield _finding(
                "gpu-briefly-slowed-down",
                Severity.INFO,
                launch,
                rows,
                f"The GPU was held back for moments of this window: {', '.join(causes)}; too short to move a number.",
                None,
            )
        bits = event_bits(inside)
        capped = float((bits & POWER_CAP).astype(bool).mean()) if len(bits) else 0.0
        if capped > 0:
            yield _finding(
                "gpu-at-power-limit",
                Severity.INFO,
                launch,
                rows,
                f"The GPU was at its power limit in {percent(capped)} of the samples: usual under full "
                "load, and part of the result.",
                None,
            )


def others_on_the_gpu(numbers: Numbers) -> Iterator[Finding]:
    """A process that is not the arm's on its GPU."""
    for one in numbers.kept:
        if one.telemetry is None:
            continue
        for entity, size in intruders(one.telemetry, one.launch.stages).groupby("entity")["value"].max().items():
            uuid, _, pid = str(entity).partition("/")
            who = f"Process {pid}, which is not the arm's ({size / 2**30:.2g} GiB)," if pid else "One more process"
            yield Finding(
                id="gpu-shared",
                severity=Severity.VOID,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"{who} was on {uuid} while the arm was measured; the stages that it shared are left out.",
                next="Keep the GPU for the benchmark alone, and run again.",
            )


def idle_known(numbers: Numbers) -> Iterator[Finding]:
    """Idle windows without a number, and those whose two ways of counting disagree."""
    for one in numbers.kept:
        for power in numbers.idle.get(one.launch.index, ()):
            when = "with the arm loaded" if power.loaded else "before the arm"
            about: dict[str, Any] = {"arm": one.launch.arm, "launch": one.launch.index}
            if power.watts is None:
                text = f"The idle power {when} is not known: {power.problem}."
                step = "Keep the GPU for the benchmark alone; with nothing loaded there are no net joules else."
                yield Finding(id="idle-power-not-known", severity=Severity.WARN, text=text, next=step, **about)
            elif power.integrated_w is not None and abs(power.integrated_w / power.watts - 1) > DISAGREE:
                text = (
                    f"Idle {when}, the energy counter says {power.watts:.3g} W and sampled power "
                    f"{power.integrated_w:.3g} W: net joules, which leave idle out, are as uncertain as that."
                )
                step = "Compare gross joules; some cards misreport what they take when idle."
                yield Finding(id="idle-power-disagrees", severity=Severity.WARN, text=text, next=step, **about)


def _windows(numbers: Numbers) -> Iterator[tuple[Launch, StageRows]]:
    for one in numbers.kept:
        for rows in numbers.passes.get(one.launch.index, ()):
            yield one.launch, rows


def _finding(name: str, severity: Severity, launch: Launch, rows: StageRows, text: str, step: str | None) -> Finding:
    at = {"stage": rows.window.stage}
    return Finding(id=name, severity=severity, at=at, arm=launch.arm, launch=launch.index, text=text, next=step)


CHECKS = (energy_known, energy_refused, idle_known, slowed_down, others_on_the_gpu)

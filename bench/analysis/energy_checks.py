"""Checks of the GPUs under load: whether their joules can be believed, and whether they ran as they should."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.analysis.energy import DISAGREE, cut_gpus, gpu_rows
from bench.analysis.numbers import Numbers
from bench.analysis.rows import StageRows
from bench.analysis.words import percent
from bench.record import Finding, Launch
from bench.vocabulary import Severity

_POWER_CAP = 0x4
_SLOWED = {  # bits and times of slowing down that nobody chose: a launch with them is not like the others
    0x8: "hardware slowdown", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "power brake",
}  # fmt: skip
_SLOWED_TIMES = {
    "throttled_sw_thermal_s": "heat (software)", "throttled_hw_thermal_s": "heat (hardware)",
    "throttled_hw_brake_s": "power brake",
}  # fmt: skip
_LEAST_S = 0.001  # of slowing down that counts


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
        inside = rows.gpu[rows.gpu["t_s"].between(rows.window.window_start_s, rows.window.window_end_s)]
        bits = inside.loc[inside["metric"] == "clocks_event_bits", "value"].astype("int64")
        causes = {cause for bit, cause in _SLOWED.items() if (bits & bit).any()}
        causes |= {cause for metric, cause in _SLOWED_TIMES.items() if _grew(inside, metric)}
        if causes:
            yield _finding(
                "gpu-slowed-down",
                Severity.VOID,
                launch,
                rows,
                f"The GPU was held back within this window: {', '.join(sorted(causes))}. "
                "Its numbers are of a card that protects itself.",
                "Repair cooling or supply; run again.",
            )
        capped = float((bits & _POWER_CAP).astype(bool).mean()) if len(bits) else 0.0
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
    """A process that came onto the GPU after the arm was serving."""
    for one in numbers.kept:
        rows = gpu_rows(one.telemetry)
        if rows is None or not one.launch.stages:
            continue
        begin_s = min(window.warm_end_s for window in one.launch.stages)
        end_s = max(window.window_end_s for window in one.launch.stages)
        held = rows[rows["metric"] == "process_memory_bytes"]
        before = set(held.loc[held["t_s"] < begin_s, "entity"])
        late = held[held["t_s"].between(begin_s, end_s) & ~held["entity"].isin(before)]
        for entity, size in late.groupby("entity")["value"].max().items() if before else ():
            uuid, _, pid = str(entity).partition("/")
            yield Finding(
                id="gpu-shared",
                severity=Severity.VOID,
                arm=one.launch.arm,
                launch=one.launch.index,
                text=f"Process {pid} came onto {uuid} with {size / 2**30:.2g} GiB while the arm was measured.",
                next="Keep the GPU for the benchmark alone, and run again.",
            )


def _windows(numbers: Numbers) -> Iterator[tuple[Launch, StageRows]]:
    for one in numbers.kept:
        for rows in numbers.passes.get(one.launch.index, ()):
            yield one.launch, rows


def _grew(rows: pd.DataFrame, metric: str) -> bool:
    mine = rows[rows["metric"] == metric]
    return any(one.max() - one.min() > _LEAST_S for _, one in mine.groupby("entity")["value"])


def _finding(name: str, severity: Severity, launch: Launch, rows: StageRows, text: str, step: str | None) -> Finding:
    at = {"stage": rows.window.stage}
    return Finding(id=name, severity=severity, at=at, arm=launch.arm, launch=launch.index, text=text, next=step)


CHECKS = (energy_known, energy_refused, slowed_down, others_on_the_gpu)

"""Watts of an arm's GPUs with nothing to do: before it was there, and with it loaded and nobody asking.

The first is what the card takes anyway, and what net joules leave out; the second is what waiting for traffic costs.
By the counter, as under load. At idle the counter and the integrated power of some cards are far apart (Zeus, issue
181: 37 W against 65 W), so both are kept and a difference is told. A window of some seconds says how the card stands,
with the noise of measuring: clocks still falling after the run before. Net joules take the mean of a block for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from bench.analysis.energy import energy_of
from bench.record import IdleWindow, Launch

MOST_BUSY_RATIO = 0.05  # of the time with any kernel, in any sample: above it somebody used the card


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Over all GPUs of the arm in one window."""

    loaded: bool
    watts: float | None  # by the counter; None = `problem` says why
    integrated_w: float | None = None
    disagreement: tuple[str, float] | None = None  # the GPU whose sampled power is farthest from its counter, and how
    problem: str | None = None


def idle_powers(launch: Launch, rows: pd.DataFrame | None) -> tuple[IdlePower, ...]:
    """Every idle window of a launch; `rows` of its GPUs."""
    return tuple(_of(window, rows, launch.devices) for window in launch.idle) if rows is not None else ()


def idle_w(powers: tuple[IdlePower, ...], *, loaded: bool) -> float | None:
    """The watts of the one kind of window."""
    return next((one.watts for one in powers if one.loaded is loaded), None)


def pooled_idle_w(launch: Launch, idle: Iterable[tuple[Launch, tuple[IdlePower, ...]]]) -> float | None:
    """Watts with no arm, mean over the launches of one block on the same cards: they stood before all of its arms."""
    own = launch.block, set(launch.devices)
    known = [idle_w(powers, loaded=False) for other, powers in idle if (other.block, set(other.devices)) == own]
    watts = [value for value in known if value is not None]
    return fmean(watts) if watts else None


def _of(window: IdleWindow, rows: pd.DataFrame, devices: tuple[str, ...]) -> IdlePower:
    length_s = window.end_s - window.start_s
    inside = rows[rows["t_s"].between(window.start_s, window.end_s)]
    used = next(_uses(inside, with_arm=window.loaded), None)
    if used:
        return IdlePower(window.loaded, None, problem=used)
    energy = energy_of(rows, window.start_s, window.end_s, devices)
    if energy is None or energy.joules is None:
        return IdlePower(window.loaded, None, problem=energy.problem if energy else "the card has no energy counter")
    integrated = None if energy.integrated_j is None else energy.integrated_j / length_s
    return IdlePower(window.loaded, energy.joules / length_s, integrated, energy.disagreement)


def _uses(inside: pd.DataFrame, *, with_arm: bool) -> Iterator[str]:
    """What shows that the card was not idle."""
    busy = inside.loc[inside["metric"] == "utilisation_ratio", "value"]
    if len(busy) and busy.max() > MOST_BUSY_RATIO:
        yield f"the GPU was at work ({busy.max():.0%} of the time)"
    held = inside.loc[inside["metric"] == "processes", "value"]
    if not with_arm and len(held) and held.max() > 0:
        yield "somebody else held the GPU"

"""The card's energy counter over one window: the joules, and the most that its two edges can be wrong by.

The counter stands still between two renewals (20 to 100 ms apart: PETSc's documentation, ml.energy) and is read some
10 times a second. A value first seen at one sample was renewed somewhere since the sample before, so it is laid midway
between the two, and an edge of the window lies on the straight line between two such points.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_STILL_S = 1.0  # that samples may repeat one value: ten times the slowest renewal known
MOST_GAP_S = 1.0  # between the two samples around an edge: a longer one says too little of the instant between them
Series = tuple[Any, Any]  # instants in seconds since the launch's t0, values


def by_counter(series: Series, start_s: float, end_s: float) -> tuple[float, float] | str:
    """Joules and the most that they can be wrong by; a text where the counter says nothing of this window.

    Samples may be missing in the middle: a counter loses nothing meanwhile.
    """
    t, energy = series
    if not len(t):
        return "the card has no energy counter"
    if t[0] > start_s or t[-1] < end_s:
        return "the samples do not reach over the window"
    if max(_gap_s(t, start_s), _gap_s(t, end_s)) > MOST_GAP_S:
        return f"no sample for more than {MOST_GAP_S:g} s at an edge of the window"
    renewed = np.flatnonzero(np.diff(energy) > 0) + 1  # samples that saw a new value first
    midway = (t[renewed - 1] + t[renewed]) / 2
    first, last = np.searchsorted(midway, start_s, "right") - 1, np.searchsorted(t[renewed - 1], end_s, "left")
    if first < 0 or last == len(renewed):
        return "the counter stood still, or was not read, at an edge of the window"
    used = slice(int(renewed[first]) - 1, int(renewed[last]) + 1)
    if (np.diff(energy[used]) < 0).any():
        return "the counter began again at or within the window: the driver was loaded anew, or the GPU was reset"
    if (still_s := _longest_still_s(t[used], energy[used])) > MOST_STILL_S:
        return f"the counter stood still for {still_s:.2g} s"
    edges = [_at(t, energy, renewed, at_s) for at_s in (start_s, end_s)]
    (least_a, start_j, most_a), (least_b, end_j, most_b) = edges
    joules = end_j - start_j
    if joules <= 0:
        return "the counter did not grow over the window"
    return joules, max(most_b - least_a - joules, joules - (least_b - most_a))


def _at(t: Any, energy: Any, renewed: Any, at_s: float) -> tuple[float, float, float]:
    """At an instant the counter's least, likely and most: what was seen by then is spent, what came later is not."""
    least = float(energy[np.searchsorted(t, at_s, "right") - 1])
    most = float(energy[renewed[np.searchsorted(t[renewed - 1], at_s, "left")]])
    likely = float(np.interp(at_s, (t[renewed - 1] + t[renewed]) / 2, energy[renewed]))
    return least, min(max(likely, least), most), most


def _gap_s(t: Any, at_s: float) -> float:
    """Between the samples around an instant."""
    return float(t[np.searchsorted(t, at_s, "left")] - t[np.searchsorted(t, at_s, "right") - 1])


def _longest_still_s(t: Any, energy: Any) -> float:
    """Between the first and the last sample of one and the same value."""
    changes = np.flatnonzero(np.diff(energy)) + 1
    begins, ends = np.concatenate([[0], changes]), np.concatenate([changes, [len(t)]]) - 1
    return float((t[ends] - t[begins]).max())

"""The energy counter as it is read, of traces whose integral is known: edges, gaps, stalls and resets."""

import numpy as np
import pytest

from bench.analysis.counter import by_counter

WATTS, LENGTH_S, TRIALS = 640.0, 10.0, 60
PROFILES = {  # what the card takes, by the window's start and end
    "steady": lambda t, start_s, end_s: np.full_like(t, 650.0),
    "from idle to idle": lambda t, start_s, end_s: np.where((t >= start_s) & (t <= end_s), 700.0, 100.0),
    "warm, then idle": lambda t, start_s, end_s: np.where((t >= start_s - 5) & (t <= end_s), 700.0, 100.0),
    "in bursts": lambda t, start_s, end_s: np.where(t % 0.9 < 0.25, 700.0, 250.0),
}


def read(random, profile, start_s, end_s, period_s):
    """The counter, renewed every `period_s` with some jitter and read 10 times a second; and the joules by then."""
    fine = np.arange(0.0, end_s + 2, 0.001)
    spent = np.concatenate([[0.0], np.cumsum(profile(fine, start_s, end_s)[:-1]) * 0.001])
    renewals = np.arange(random.uniform(0, period_s), end_s + 2, period_s) + random.normal(0, 0.02 * period_s)
    t = np.arange(0.2, end_s + 1.8, 0.1001) + random.uniform(0, 0.05)
    t = np.sort(t + random.exponential(0.002, len(t)))
    seen = renewals[np.maximum(np.searchsorted(renewals, t, "right") - 1, 0)]
    counter = 1e5 + np.floor(np.interp(seen, fine, spent) * 1000) / 1000
    return (t, counter), float(np.interp(end_s, fine, spent) - np.interp(start_s, fine, spent))


@pytest.mark.parametrize("period_s", [0.02, 0.1])
@pytest.mark.parametrize("name", list(PROFILES))
def test_the_stated_bound_holds_and_ten_seconds_are_right_to_half_a_per_cent_in_the_mean(name, period_s):
    random = np.random.default_rng(11)
    errors = []
    for _ in range(TRIALS):
        start_s = 6 + random.uniform(0, 0.1)
        series, truth = read(random, PROFILES[name], start_s, start_s + LENGTH_S, period_s)
        joules, bound_j = by_counter(series, start_s, start_s + LENGTH_S)
        assert abs(joules - truth) <= bound_j + 0.002  # the counter is in whole millijoules
        assert bound_j < 0.035 * truth
        errors.append(joules / truth - 1)
    assert abs(np.mean(errors)) < 0.0045


def even(every_s=0.1, until_s=80.0):
    """A counter that is renewed whenever it is read."""
    t = np.arange(0.0, until_s, every_s)
    return t, WATTS * t


def test_a_sampler_held_up_in_the_middle_loses_nothing():
    t, energy = even()
    kept = (t < 30) | (t > 33)
    joules, bound_j = by_counter((t[kept], energy[kept]), 10.0, 70.0)
    assert joules == pytest.approx(WATTS * 60) and bound_j < 0.4 * WATTS


def test_a_gap_at_an_edge_widens_the_bound_and_a_long_one_gives_no_joules():
    t, energy = even()
    short, long = (t < 9.5) | (t > 10.3), (t < 9.5) | (t > 10.7)
    _, usual_j = by_counter((t, energy), 10.0, 70.0)
    assert by_counter((t[short], energy[short]), 10.0, 70.0)[1] > usual_j + 0.4 * WATTS
    assert "no sample for more than 1 s at an edge" in by_counter((t[long], energy[long]), 10.0, 70.0)


def test_a_counter_that_stands_still_is_known_by_samples_that_repeat():
    t, energy = even()
    held = (t > 29.95) & (t < 33.05)
    energy[held] = energy[held][0]
    assert by_counter((t, energy), 10.0, 70.0) == "the counter stood still for 3 s"
    energy[t > 30] = energy[held][0]
    assert "stood still, or was not read, at an edge" in by_counter((t, energy), 10.0, 70.0)


@pytest.mark.parametrize(("reset_s", "start_s", "end_s"), [(10.04, 10.06, 20.0), (20.04, 10.03, 20.02)])
def test_a_reset_just_outside_the_window_spoils_the_edge(reset_s, start_s, end_s):
    t = np.arange(0, 30, 0.05)
    energy = 1e6 + 650 * np.floor(t / 0.1 + 1e-9) * 0.1
    energy[t >= reset_s] -= energy[t >= reset_s][0]
    assert "began again at or within" in by_counter((t, energy), start_s, end_s)


def test_a_window_without_joules_has_no_number():
    assert by_counter(even(), 10.0, 10.0) == "the counter did not grow over the window"
    assert by_counter((np.empty(0), np.empty(0)), 0.0, 1.0) == "the card has no energy counter"

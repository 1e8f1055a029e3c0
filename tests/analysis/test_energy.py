"""Joules of traces whose integral is known, and what takes the number away."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.energy import by_counter, by_power, cut_gpus, energy_of

GPU, OTHER = "GPU-a", "GPU-b"
TRACES = {
    "steady": (lambda t: np.full_like(t, 640.0), lambda t: 640.0 * t),
    "ramp": (lambda t: 100.0 + 8.0 * t, lambda t: 100.0 * t + 4.0 * t**2),
    "waves of 7 s": (
        lambda t: 500.0 + 200.0 * np.sin(2 * np.pi * t / 7),
        lambda t: 500.0 * t - 200.0 * 7 / (2 * np.pi) * (np.cos(2 * np.pi * t / 7) - 1),
    ),
}


def counter(total, *, period_s=0.1, every_s=0.1, until_s=80.0, seed=3):
    """The counter as it is read: renewed every `period_s`, read every `every_s` with some jitter."""
    random = np.random.default_rng(seed)
    t = np.arange(0.0, until_s, every_s) + random.uniform(0, 0.01, round(until_s / every_s))
    return t, np.floor(total(np.floor(t / period_s) * period_s) * 1000) / 1000  # in whole millijoules


def rows_of(series, metric, uuid=GPU):
    t, values = series
    return pd.DataFrame({"t_s": t, "source": "gpu", "entity": uuid, "metric": metric, "value": values})


@pytest.mark.parametrize("period_s", [0.02, 0.1])
@pytest.mark.parametrize("name", list(TRACES))
def test_joules_of_a_minute_are_right_to_a_thousandth(name, period_s):
    power, total = TRACES[name]
    start_s, end_s = 8.137, 69.911
    truth = total(np.array(end_s)) - total(np.array(start_s))
    joules, edge_j = by_counter(counter(total, period_s=period_s), start_s, end_s)
    assert joules == pytest.approx(float(truth), rel=1e-3)
    assert abs(joules - truth) <= edge_j
    t = np.arange(0.0, 80.0, 0.1)
    assert by_power((t, power(t)), start_s, end_s) == pytest.approx(float(truth), rel=1e-3)


def test_gpus_of_an_arm_add_up():
    _, total = TRACES["steady"]
    rows = pd.concat([rows_of(counter(total), "energy_j"), rows_of(counter(total, seed=5), "energy_j", OTHER)])
    assert energy_of(rows, 10.0, 70.0).joules == pytest.approx(2 * 640.0 * 60, rel=1e-3)


def test_a_counter_that_begins_again_gives_no_joules():
    t, energy = counter(TRACES["steady"][1])
    energy[t > 30] -= energy[t > 30][0]
    assert "began again" in by_counter((t, energy), 10.0, 70.0)
    assert by_counter((t, energy), 35.0, 70.0)[0] == pytest.approx(640.0 * 35, rel=2e-3), "after it the counter is good"


def test_a_counter_that_stands_still_gives_no_joules():
    t, energy = counter(TRACES["steady"][1])
    held = (t > 30) & (t < 34)
    energy[held] = energy[held][0]
    assert "stood still for 4" in by_counter((t, energy), 10.0, 70.0)
    energy[t > 30] = energy[held][0]
    assert "stood still at an edge" in by_counter((t, energy), 10.0, 70.0)


def test_samples_must_reach_over_the_window():
    series = counter(TRACES["steady"][1])
    assert "do not reach" in by_counter(series, 10.0, 99.0)
    assert by_power(series, 10.0, 99.0) is None
    assert by_counter((np.empty(0), np.empty(0)), 0.0, 1.0) == "the card has no energy counter"


def test_power_with_a_hole_is_no_integral():
    t = np.arange(0.0, 80.0, 0.1)
    holed = t[(t < 30) | (t > 32)]
    assert by_power((holed, np.full_like(holed, 640.0)), 10.0, 70.0) is None


def test_a_gpu_without_a_counter_takes_the_joules_of_all():
    rows = pd.concat([
        rows_of(counter(TRACES["steady"][1]), "energy_j"),
        rows_of((np.arange(0.0, 80.0, 0.1), np.full(800, 640.0)), "power_w", OTHER),
    ])  # fmt: skip
    found = energy_of(rows, 10.0, 70.0)
    assert found.joules is None and found.problem == f"{OTHER}: the card has no energy counter"


def test_rows_without_any_gpu_have_no_energy():
    assert energy_of(rows_of(([1.0], [1.0]), "cpu_cores"), 0.0, 1.0) is None


def test_disagreement_is_of_the_integral_against_the_counter():
    t = np.arange(0.0, 80.0, 0.1)
    rows = pd.concat([
        rows_of(counter(TRACES["steady"][1]), "energy_j"), rows_of((t, np.full_like(t, 672.0)), "power_w"),
    ])  # fmt: skip
    assert energy_of(rows, 10.0, 70.0).disagreement == pytest.approx(0.05, abs=1e-3)


def test_cards_cut_by_mig_are_known_from_the_host():
    host = {"gpus": [{"uuid": GPU, "mig": True}, {"uuid": OTHER, "mig": False}, {"uuid": "GPU-c"}]}
    assert cut_gpus(host, {GPU, OTHER, f"{GPU}/77"}) == [GPU]
    assert cut_gpus({"gpus": None}, {GPU}) == []

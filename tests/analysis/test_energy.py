"""Joules of traces whose integral is known, and what takes the number away."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.counter import by_counter
from bench.analysis.energy import by_power, cut_gpus, energy_of

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


def test_samples_must_reach_over_the_window():
    series = counter(TRACES["steady"][1])
    assert "do not reach" in by_counter(series, 10.0, 99.0)
    assert by_power(series, 10.0, 99.0) is None


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


def sampled(uuid, watts, *, shown=None, every="energy_j power_w"):
    """Rows of one GPU; `shown` is what its power sensor says."""
    t = np.arange(0.0, 80.0, 0.1)
    series = {"energy_j": counter(lambda at: watts * at), "power_w": (t, np.full_like(t, shown or watts))}
    series["module_energy_j"], series["sm_clock_hz"] = series["energy_j"], (t, np.full_like(t, 1.9e9))
    return pd.concat([rows_of(series[metric], metric, uuid) for metric in every.split()])


def test_every_gpu_of_the_launch_is_expected_whatever_was_sampled():
    rows = pd.concat([sampled(GPU, 640.0), sampled(OTHER, 640.0, every="sm_clock_hz")])
    for devices in ((GPU, OTHER), ()):
        found = energy_of(rows, 10.0, 70.0, devices)
        assert (found.joules, found.problem) == (None, f"{OTHER}: neither energy nor power was sampled")
    assert energy_of(rows, 10.0, 70.0, (GPU,)).joules == pytest.approx(640.0 * 60, rel=1e-3)
    assert "GPU-c: neither" in energy_of(rows, 10.0, 70.0, (GPU, "GPU-c")).problem, "not a row of it"


def test_every_gpu_without_joules_is_named():
    rows = pd.concat([sampled(GPU, 640.0, every="power_w"), sampled(OTHER, 640.0, every="module_energy_j power_w")])
    assert energy_of(rows, 10.0, 70.0).problem == (
        f"{GPU}: the card has no energy counter; {OTHER}: its one counter is the whole module's, processor included"
    )


def test_no_rows_of_any_gpu_have_no_energy():
    assert energy_of(sampled(GPU, 640.0).iloc[:0], 0.0, 1.0) is None


def test_disagreement_is_of_the_integral_against_the_counter():
    found = energy_of(sampled(GPU, 640.0, shown=672.0), 10.0, 70.0)
    assert found.disagreement == (GPU, pytest.approx(0.05, abs=1e-3))


def test_each_gpu_is_checked_by_itself():
    opposite = pd.concat([sampled(GPU, 640.0, shown=768.0), sampled(OTHER, 640.0, shown=511.0)])
    assert energy_of(opposite, 10.0, 70.0).disagreement == (OTHER, pytest.approx(-0.2, abs=3e-3)), "they do not cancel"
    one_of_8 = pd.concat([sampled(f"GPU-{i}", 640.0, shown=768.0 if i == 5 else 640.0) for i in range(8)])
    assert energy_of(one_of_8, 10.0, 70.0).disagreement == ("GPU-5", pytest.approx(0.2, abs=3e-3)), "nor are diluted"
    assert energy_of(sampled(GPU, 640.0, every="energy_j"), 10.0, 70.0).disagreement is None


def test_cards_cut_by_mig_are_known_from_the_host():
    host = {"gpus": [{"uuid": GPU, "mig": True}, {"uuid": OTHER, "mig": False}, {"uuid": "GPU-c"}]}
    assert cut_gpus(host, {GPU, OTHER, f"{GPU}/77"}) == [GPU]
    assert cut_gpus({"gpus": None}, {GPU}) == []

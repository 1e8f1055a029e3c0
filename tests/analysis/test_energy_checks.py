"""Energy as metrics and findings, in runs whose GPUs are computed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.analysis import summarise
from bench.model import Stage
from bench.vocabulary import Severity
from tests.synthetic import Fake, make_run

UUID, WATTS = "GPU-a", 500.0
STAGES = (Stage(id="c1", concurrency=1, duration_s=10.0),)


def with_gpu(data, *, mig=False, **series):
    """Every launch with a GPU at WATTS; `metric=function(t, window)` puts another series in."""
    launches = []
    for one in data.launches:
        end_s = max(window.window_end_s for window in one.launch.stages) + 2
        t = np.arange(0.0, end_s, 0.1)
        wanted = {"energy_j": lambda t, _: WATTS * t, "power_w": lambda t, _: np.full_like(t, WATTS), **series}
        frames = [
            pd.DataFrame({"t_s": t, "source": "gpu", "entity": entity, "metric": metric, "value": values})
            for name, function in wanted.items()
            if function is not None
            for entity, metric in [
                (UUID, name) if "/" not in name else (name.replace("pid", UUID), "process_memory_bytes")
            ]
            if (values := function(t, one.launch.stages[0])) is not None
        ]
        rows = pd.concat([one.telemetry, *frames], ignore_index=True).dropna(subset=["value"])
        launches.append(dataclasses.replace(one, telemetry=rows))
    host = {**data.run.host, "gpus": [{"uuid": UUID, "mig": mig}]}
    return dataclasses.replace(data, launches=tuple(launches), run=dataclasses.replace(data.run, host=host))


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.25)}, blocks=3, burn_in=0, stages=STAGES)


def values(summary, metric):
    return {arm: [v.value for v in one.values if v.metric == metric] for arm, one in summary.arms.items()}


def found(data, name):
    return [one for one in summarise(data).findings if one.id == name]


def test_joules_per_token_are_watts_over_tokens_per_second(run):
    summary = summarise(with_gpu(run))
    joules, speed = values(summary, "energy_per_output_token_j"), values(summary, "output_tokens_per_s")
    for arm in ("a", "b"):
        assert joules[arm][0] * speed[arm][0] == pytest.approx(WATTS, rel=0.01)
    compared = [c for c in summary.comparisons if c.metric == "energy_per_output_token_j"]
    assert compared[0].ratio == pytest.approx(1 / 1.25, rel=0.05)
    assert values(summary, "energy_per_request_j")["a"][0] > joules["a"][0]


def test_a_run_without_gpus_does_not_speak_of_energy(run):
    summary = summarise(run)
    assert not [c for c in summary.comparisons if "energy" in c.metric]
    assert not [one for one in summary.findings if "energy" in one.id or "gpu" in one.id]


def test_a_healthy_gpu_gives_no_finding(run):
    assert not [one for one in summarise(with_gpu(run)).findings if "energy" in one.id or "gpu" in one.id]


def test_mig_refuses_energy_with_the_reason(run):
    data = with_gpu(run, mig=True)
    assert not [c for c in summarise(data).comparisons if "energy" in c.metric]
    (one,) = found(data, "energy-refused")
    assert "MIG" in one.text and UUID in one.text


def test_power_that_disagrees_with_the_counter_is_found(run):
    data = with_gpu(run, power_w=lambda t, _: np.full_like(t, 1.04 * WATTS))
    assert len(found(data, "energy-disagrees")) == len(run.launches)
    assert "4 % more" in found(data, "energy-disagrees")[0].text


def test_a_counter_that_stalls_is_said_and_gives_no_number(run):
    def stalled(t, window):
        energy = WATTS * t
        held = (t > window.window_start_s + 2) & (t < window.window_start_s + 5)
        energy[held] = energy[held][0]
        return energy

    data = with_gpu(run, energy_j=stalled)
    assert "stood still" in found(data, "energy-not-known")[0].text
    assert not [c for c in summarise(data).comparisons if "energy" in c.metric]


@pytest.mark.parametrize(
    ("bits", "severity", "name", "word"),
    [
        (0x40, Severity.VOID, "gpu-slowed-down", "heat"), (0x80, Severity.VOID, "gpu-slowed-down", "power brake"),
        (0x4, Severity.INFO, "gpu-at-power-limit", "50 %"), (0x1, None, "gpu-slowed-down", ""),
    ],
)  # fmt: skip
def test_bits_of_slowing_down_void_the_stage_or_tag_it(run, bits, severity, name, word):
    half = lambda t, w: np.where(t > (w.window_start_s + w.window_end_s) / 2, bits, 0).astype(float)  # noqa: E731
    told = found(with_gpu(run, clocks_event_bits=half), name)
    assert {one.severity for one in told} == ({severity} if severity else set())
    assert all(word in one.text and one.at == {"stage": "c1"} for one in told)


def test_time_slowed_between_two_samples_is_found_though_no_bit_was_seen(run):
    grown = lambda t, w: np.where(t > w.window_start_s + 3, 0.02, 0.0)  # noqa: E731
    told = found(with_gpu(run, throttled_hw_thermal_s=grown), "gpu-slowed-down")
    assert told and all("heat (hardware)" in one.text for one in told)


def test_a_process_that_comes_onto_the_gpu_in_the_middle_is_found(run):
    mine = {"pid/4242": lambda t, _: np.full_like(t, 60e9)}
    theirs = {"pid/666": lambda t, w: np.where(t > w.window_start_s + 3, 8 * 2.0**30, np.nan)}
    assert found(with_gpu(run, **mine), "gpu-shared") == []
    told = found(with_gpu(run, **mine, **theirs), "gpu-shared")
    assert len(told) == len(run.launches)
    assert all("666" in one.text and "8 GiB" in one.text and "4242" not in one.text for one in told)

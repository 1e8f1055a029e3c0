"""Energy as metrics and findings, in runs whose GPUs are computed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.analysis import summarise
from bench.model import Stage
from bench.record import IdleWindow
from bench.vocabulary import Severity
from tests.synthetic import Fake, make_run

UUID, WATTS = "GPU-a", 500.0
STAGES = (Stage(id="c1", concurrency=1, duration_s=10.0),)


def idle_series(begin_s, nobody_w, loaded_w):
    """Power in three steps and its integral."""

    def power(t, _):
        return np.select([t < begin_s / 2, t < begin_s], [nobody_w, loaded_w], WATTS).astype(float)

    def energy(t, _):
        half = begin_s / 2
        return (
            nobody_w * np.minimum(t, half) + loaded_w * np.clip(t - half, 0, half) + WATTS * np.maximum(t - begin_s, 0)
        )

    return {"power_w": power, "energy_j": energy}


def with_gpu(data, *, mig=False, idle_w=None, **series):
    """Every launch with a GPU at WATTS; `metric=function(t, window)` puts another series in."""
    launches = []
    for one in data.launches:
        end_s = max(window.window_end_s for window in one.launch.stages) + 2
        t = np.arange(0.0, end_s, 0.1)
        if idle_w is not None:  # before the load, by steps: nobody there, then the arm loaded
            begin_s = min(window.start_s for window in one.launch.stages)
            idle = (IdleWindow(loaded=False, start_s=0.2, end_s=begin_s / 2 - 0.2),
                    IdleWindow(loaded=True, start_s=begin_s / 2 + 0.2, end_s=begin_s - 0.2))  # fmt: skip
            one = dataclasses.replace(one, launch=dataclasses.replace(one.launch, idle=idle))
            series = idle_series(begin_s, *idle_w) | series
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


def test_net_joules_leave_out_what_the_card_takes_without_the_arm(run):
    summary = summarise(with_gpu(run, idle_w=(70.0, 120.0)))
    gross, net = values(summary, "energy_per_output_token_j"), values(summary, "energy_net_per_output_token_j")
    assert net["a"][0] / gross["a"][0] == pytest.approx((WATTS - 70) / WATTS, rel=0.005)
    assert values(summary, "energy_net_per_request_j")["b"][0] / values(summary, "energy_per_request_j")["b"][
        0
    ] == pytest.approx((WATTS - 70) / WATTS, rel=0.005)
    assert values(summary, "loaded_idle_power_w")["a"][0] == pytest.approx(120, rel=0.01)
    assert values(summary, "output_tokens_per_j")["a"][0] == pytest.approx(1 / gross["a"][0], rel=1e-3)
    assert not [one for one in summary.findings if "idle" in one.id]


def test_a_process_that_is_not_the_arm_s_is_a_stranger_also_where_it_came_before_the_load(run):
    def held(t, _):
        return np.full_like(t, 7e10)

    data = with_gpu(run, **{"pid/100": held, "pid/200": held, "pid/666": held})
    assert found(data, "gpu-shared") == [], "nobody says which processes are the arm's"
    named = []
    for one in data.launches:
        pids = pd.DataFrame(
            {"t_s": 3.0, "source": "host", "entity": "server", "metric": "pid", "value": [100.0, 200.0, 300.0]}
        )
        named.append(dataclasses.replace(one, telemetry=pd.concat([one.telemetry, pids], ignore_index=True)))
    named_run = dataclasses.replace(data, launches=tuple(named))
    told = found(named_run, "gpu-shared")
    assert len(told) == 6 and all("Process 666, which is not the arm's" in one.text for one in told)
    assert all(
        one.value is None for one in summarise(named_run).arms["a"].values if one.metric == "energy_per_output_token_j"
    )
    apart = [
        dataclasses.replace(one, telemetry=one.telemetry.replace({"value": {100.0: 1.0, 200.0: 2.0}})) for one in named
    ]
    assert found(dataclasses.replace(data, launches=tuple(apart)), "gpu-shared") == [], "counted in another namespace"


def test_without_idle_windows_there_are_no_net_joules(run):
    summary = summarise(with_gpu(run))
    assert values(summary, "energy_per_output_token_j")["a"]
    assert not values(summary, "energy_net_per_output_token_j")["a"] and not values(summary, "loaded_idle_power_w")["a"]


def test_mig_refuses_idle_power_too(run):
    summary = summarise(with_gpu(run, mig=True, idle_w=(70.0, 120.0)))
    assert not values(summary, "loaded_idle_power_w")["a"]


def test_a_counter_and_a_sensor_that_disagree_on_idle_are_told_apart(run):
    data = with_gpu(run, idle_w=(37.0, 120.0), power_w=lambda t, _: np.full_like(t, 65.0))
    text = found(data, "idle-power-disagrees")[0].text
    assert "37 W" in text and "65 W" in text


def test_a_card_that_somebody_uses_is_not_idle(run):
    data = with_gpu(run, idle_w=(70.0, 120.0), processes=lambda t, _: np.ones_like(t))
    assert all("somebody else" in one.text for one in found(data, "idle-power-not-known"))
    assert not values(summarise(data), "energy_net_per_output_token_j")["a"]
    assert values(summarise(data), "loaded_idle_power_w")["a"], "with the arm loaded, its own process is there"


def test_a_stage_that_was_held_back_gives_no_number_and_the_others_stay(run):
    first = min(one.launch.index for one in run.launches if one.launch.arm == "a")

    def bits(t, window, seen=[]):  # noqa: B006 - called once a launch, in their order
        seen.append(window)
        return np.where(t > window.window_start_s, 0x40, 0) if len(seen) == first else np.zeros_like(t)

    summary = summarise(with_gpu(run, clocks_event_bits=bits))
    assert [one.launch for one in summary.findings if one.id == "gpu-slowed-down"] == [first]
    counted = {
        arm: next(v.n for v in one.values if v.metric == "output_tokens_per_s") for arm, one in summary.arms.items()
    }
    assert counted == {"a": 2, "b": 3}

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
STAGES = (Stage(id="c1", concurrency=1, duration_s=15.0),)


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
    told = found(data, "energy-disagrees")
    assert [(one.arm, one.at, one.launch) for one in told] == [(arm, {"stage": "c1"}, None) for arm in ("a", "b")]
    assert all("4 % more" in one.text and "3 passes (launches " in one.text and UUID in one.text for one in told)


def test_a_counter_that_stalls_is_said_and_gives_no_number(run):
    def stalled(t, window):
        energy = WATTS * t
        held = (t > window.window_start_s + 2) & (t < window.window_start_s + 5)
        energy[held] = energy[held][0]
        return energy

    data = with_gpu(run, energy_j=stalled)
    assert "stood still" in found(data, "energy-not-known")[0].text
    assert not [c for c in summarise(data).comparisons if "energy" in c.metric]


def without(data, *metrics):
    """No row of these of any GPU."""
    kept = [
        dataclasses.replace(one, telemetry=one.telemetry[~one.telemetry["metric"].isin(metrics)])
        for one in data.launches
    ]
    return dataclasses.replace(data, launches=tuple(kept))


def on(data, *devices):
    """Every launch with these devices."""
    kept = [dataclasses.replace(one, launch=dataclasses.replace(one.launch, devices=devices)) for one in data.launches]
    return dataclasses.replace(data, launches=tuple(kept))


def at_url(data, name):
    arms = tuple(
        dataclasses.replace(one, url="http://127.0.0.1:1") if one.name == name else one
        for one in data.run.scenario.arms
    )
    scenario = dataclasses.replace(data.run.scenario, arms=arms)
    return dataclasses.replace(data, run=dataclasses.replace(data.run, scenario=scenario))


def test_a_card_of_the_launch_without_joules_takes_those_of_the_arm(run):
    data = on(with_gpu(run), UUID, "GPU-b")
    told = found(data, "energy-not-known")
    assert len(told) == 2 and all("GPU-b: neither energy nor power was sampled" in one.text for one in told)
    assert not values(summarise(data), "energy_per_output_token_j")["a"]
    assert values(summarise(on(with_gpu(run), UUID)), "energy_per_output_token_j")["a"]


def test_cards_of_which_nothing_was_sampled_are_named(run):
    assert all(f"nothing was sampled of {UUID}" in one.text for one in found(on(run, UUID), "energy-not-known"))
    assert len(found(on(run, UUID), "energy-not-known")) == 2
    assert len(found(without(with_gpu(run, sm_clock_hz=lambda t, _: 2e9 + 0 * t), "energy_j", "power_w"),
                     "energy-not-known")) == 2  # fmt: skip


def test_the_counter_of_a_superchip_is_said_to_be_the_whole_module_s(run):
    data = with_gpu(run, energy_j=None, module_energy_j=lambda t, _: 900.0 * t)
    assert all("the whole module's, processor included" in one.text for one in found(data, "energy-not-known"))


def test_an_arm_at_a_url_has_no_joules_for_nobody_says_where_it_runs(run):
    data = at_url(with_gpu(run, idle_w=(70.0, 120.0)), "b")
    summary = summarise(data)
    assert values(summary, "energy_per_output_token_j")["b"] in ([], [None])
    assert values(summary, "idle_power_w")["b"] in ([], [None]) and values(summary, "idle_power_w")["a"][0]
    (one,) = found(data, "energy-not-attributed")
    assert (one.severity, one.arm) == (Severity.INFO, "b")
    assert not found(data, "energy-not-known") and not found(at_url(run, "b"), "energy-not-attributed")


def test_joules_that_nothing_was_held_against_are_told_once_for_the_run(run):
    (one,) = found(without(with_gpu(run), "power_w"), "energy-not-cross-checked")
    assert one.severity is Severity.INFO and "6 of 6 windows" in one.text
    assert values(summarise(without(with_gpu(run), "power_w")), "energy_per_output_token_j")["a"]


def test_a_window_too_short_for_its_counter_is_told_with_the_length_that_would_do():
    short = make_run(blocks=2, burn_in=0, stages=(Stage(id="c1", concurrency=1, duration_s=4.0),))
    told = found(with_gpu(short), "energy-window-short")
    assert [one.arm for one in told] == ["a", "b"] and all("2 passes" in one.text for one in told)
    assert 8 <= int(told[0].next.split()[3]) <= 12, told[0].next
    wider = dataclasses.replace(short.run.scenario, margins={"energy_per_output_token_j": 0.2})
    relaxed = dataclasses.replace(short, run=dataclasses.replace(short.run, scenario=wider))
    assert not found(with_gpu(relaxed), "energy-window-short")

"""GPUs that were held back, shared or at their limit: what is left out, and how it is told."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.analysis import summarise
from bench.vocabulary import Severity
from tests.analysis.test_energy_checks import STAGES, found, with_gpu
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.25)}, blocks=3, burn_in=0, stages=STAGES)


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
    assert [(one.arm, one.at) for one in told] == [("a", {"stage": "c1"}), ("b", {"stage": "c1"})]
    assert all(
        "666" in one.text and "3 passes" in one.text and "8 GiB" in one.text and "4242" not in one.text for one in told
    )


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
    assert len(told) == 2 and all("Process 666, which is not the arm's" in one.text for one in told)
    assert all(
        one.value is None for one in summarise(named_run).arms["a"].values if one.metric == "energy_per_output_token_j"
    )
    apart = [
        dataclasses.replace(one, telemetry=one.telemetry.replace({"value": {100.0: 1.0, 200.0: 2.0}})) for one in named
    ]
    assert found(dataclasses.replace(data, launches=tuple(apart)), "gpu-shared") == [], "counted in another namespace"


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


def test_a_process_seen_only_between_windows_takes_no_number():
    two = make_run(blocks=2, burn_in=0)
    mine = {"pid/4242": lambda t, _: np.full_like(t, 60e9)}
    between = {"pid/666": lambda t, w: np.where((t > w.window_end_s) & (t < w.window_end_s + 0.9), 8e9, np.nan)}
    told = found(with_gpu(two, **mine, **between), "gpu-shared")
    assert [(one.arm, one.severity, one.at) for one in told] == [(arm, Severity.WARN, {}) for arm in ("a", "b")]
    assert all("Process 666" in one.text and "in no window" in one.text for one in told)


def test_a_slow_card_is_told_once_for_each_arm_and_stage_with_all_its_launches(run):
    hot = lambda t, w: np.where(t > w.window_start_s, 0x40, 0).astype(float)  # noqa: E731
    told = found(with_gpu(run, clocks_event_bits=hot), "gpu-slowed-down")
    launches = {arm: [one.launch.index for one in run.launches if one.launch.arm == arm] for arm in ("a", "b")}
    assert [(one.arm, one.launch, one.severity) for one in told] == [("a", None, "void"), ("b", None, "void")]
    assert all(f"launches {', '.join(map(str, launches[one.arm]))})" in one.text for one in told)

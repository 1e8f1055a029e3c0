"""Idle power and the net joules that leave it out."""

import dataclasses

import numpy as np
import pytest

from bench.analysis import summarise
from bench.model import Primary
from bench.vocabulary import Severity
from tests.analysis.test_energy_checks import STAGES, WATTS, found, values, with_gpu
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.25)}, blocks=3, burn_in=0, stages=STAGES)


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


def idle_of(data, watts):
    """`watts(launch)`: what its cards took with no arm."""
    ran = [
        with_gpu(dataclasses.replace(data, launches=(one,)), idle_w=(watts(one.launch), 120.0)) for one in data.launches
    ]
    return dataclasses.replace(ran[0], launches=tuple(one.launches[0] for one in ran))


def compared(summary, metric):
    return [one for one in summary.comparisons if one.metric == metric]


def test_idle_power_has_a_value_and_no_verdict_and_unlike_states_are_a_finding(run):
    data = idle_of(run, lambda launch: (70.0 if launch.arm == "a" else 80.0) + 0.2 * launch.block)
    summary = summarise(data)
    assert values(summary, "idle_power_w")["b"][0] == pytest.approx(80.2, rel=0.01)
    assert compared(summary, "idle_power_w") == [] and compared(summary, "loaded_idle_power_w")
    (one,) = found(data, "idle-states-differ")
    assert (one.severity, one.arm) == (Severity.WARN, "b") and "80.2 W before b and 70.2 W before a" in one.text
    assert not found(idle_of(run, lambda launch: 70.0 + 5 * launch.block), "idle-states-differ"), "both alike"
    noisy = idle_of(run, lambda launch: 70.0 + 40 * (launch.block == 1 and launch.arm == "b"))
    assert not found(noisy, "idle-states-differ"), "the interval holds no difference"


def test_tokens_per_joule_are_shown_and_not_tested_a_second_time(run):
    summary = summarise(with_gpu(run))
    assert values(summary, "output_tokens_per_j")["a"][0] and compared(summary, "output_tokens_per_j") == []
    primary = dataclasses.replace(run.run.scenario, primary=Primary(metric="output_tokens_per_j", stage="c1"))
    asked = dataclasses.replace(run, run=dataclasses.replace(run.run, scenario=primary))
    (one,) = compared(summarise(with_gpu(asked)), "output_tokens_per_j")
    assert one.ratio == pytest.approx(1.25, rel=0.05), "but where the scenario asks by it"


def test_net_joules_take_the_mean_idle_of_the_block_and_each_launch_keeps_its_own(run):
    data = idle_of(run, lambda launch: 70.0 if launch.arm == "a" else 90.0)
    summary = summarise(data)
    assert values(summary, "idle_power_w")["a"][0] == pytest.approx(70, rel=0.01)
    for arm in ("a", "b"):
        gross, net = (values(summary, f"energy_{kind}per_output_token_j")[arm][0] for kind in ("", "net_"))
        assert net / gross == pytest.approx((WATTS - 80) / WATTS, rel=0.005)
    apart = dataclasses.replace(
        data,
        launches=tuple(
            dataclasses.replace(one, launch=dataclasses.replace(one.launch, block=one.launch.index))
            for one in data.launches
        ),
    )
    gross, net = (values(summarise(apart), f"energy_{kind}per_output_token_j")["a"][0] for kind in ("", "net_"))
    assert net / gross == pytest.approx((WATTS - 70) / WATTS, rel=0.005), "another block's idle is not this one's"


@pytest.mark.parametrize("idle_w", [WATTS, 510.0])
def test_cards_that_take_no_more_under_load_have_no_net_joules_and_say_so(run, idle_w):
    data = idle_of(run, lambda launch: idle_w)
    summary = summarise(data)
    assert values(summary, "energy_net_per_output_token_j")["a"] in ([], [None])
    told = found(data, "net-energy-not-positive")
    assert [(one.arm, one.severity) for one in told] == [("a", Severity.WARN), ("b", Severity.WARN)]
    assert all("500 W under load" in one.text and f"{idle_w:.0f} W with no arm" in one.text for one in told)
    assert values(summary, "energy_per_output_token_j")["a"][0], "gross joules stay"
    assert all(one.ratio is None and one.ci95 is None for one in compared(summary, "energy_net_per_output_token_j"))


def test_blocks_in_which_net_joules_are_noise_give_no_ratio_of_the_others(run):
    summary = summarise(idle_of(run, lambda launch: 510.0 if launch.block == 1 else 499.9))
    for one in compared(summary, "energy_net_per_output_token_j"):
        assert (one.verdict, one.ci95) == ("unknown", None)
    assert all(one.ci95 is None for one in summary.arms["a"].values if one.metric == "energy_net_per_output_token_j")

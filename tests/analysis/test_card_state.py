"""The state in which launches met their cards, in runs whose GPUs are computed."""

import dataclasses

import numpy as np
import pytest

from bench.analysis import summarise
from tests.analysis.test_energy_checks import STAGES, with_gpu
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake()}, blocks=4, burn_in=0, stages=STAGES)


def found(data, name):
    return [one for one in summarise(data).findings if one.id == name]


def for_each(run, values):
    """A series that is `values[launch index]` over a whole launch; launches are asked in their order."""
    order = iter(one.launch.index for one in run.launches)
    return lambda t, _: np.full_like(t, values[next(order)])


def by_arm(run, **of_arm):
    return {one.launch.index: of_arm[one.launch.arm] for one in run.launches}


def test_an_arm_that_always_begins_on_a_warmer_card_is_told(run):
    data = with_gpu(run, temperature_c=for_each(run, by_arm(run, a=40.0, b=46.0)))
    (one,) = found(data, "arms-began-unlike-warm")
    assert (one.arm, "6.0 °C warmer than a's" in one.text) == ("b", True)


def test_a_room_that_warms_both_arms_alike_and_a_band_that_was_kept_are_no_finding(run):
    room = {one.launch.index: 40.0 + 2 * one.launch.block for one in run.launches}
    assert not found(with_gpu(run, temperature_c=for_each(run, room)), "arms-began-unlike-warm")
    assert not found(with_gpu(run, temperature_c=for_each(run, by_arm(run, a=40.0, b=43.0))), "arms-began-unlike-warm")


def test_a_baseline_of_which_nothing_counts_yet_is_compared_with_nothing(run):
    data = with_gpu(run, temperature_c=for_each(run, by_arm(run, a=40.0, b=46.0)))
    only_b = tuple(one for one in data.launches if one.launch.arm == "b")
    assert not found(dataclasses.replace(data, launches=only_b), "arms-began-unlike-warm")


def test_cards_take_nothing_from_an_arm_behind_a_url(run):
    data = with_gpu(run, clocks_event_bits=lambda t, _: np.full_like(t, 0x40), temperature_c=lambda t, _: t)
    arms = tuple(dataclasses.replace(one, url="http://127.0.0.1:1") for one in data.run.scenario.arms)
    scenario = dataclasses.replace(data.run.scenario, arms=arms)
    summary = summarise(dataclasses.replace(data, run=dataclasses.replace(data.run, scenario=scenario)))
    assert [one.id for one in summary.findings if "gpu" in one.id or "arms-began" in one.id] == []
    assert all(one.n == 4 for one in summary.arms["a"].values if one.metric == "output_tokens_per_s")


def test_a_launch_at_other_clocks_than_its_arm_s_others_is_told_with_both(run):
    odd = next(one.launch.index for one in run.launches if one.launch.arm == "b")
    clocks = by_arm(run, a=1.98e9, b=1.75e9) | {odd: 1.2e9}  # that the arms differ is their load's doing
    (one,) = found(with_gpu(run, sm_clock_hz=for_each(run, clocks)), "gpu-clock-apart")
    assert (one.arm, one.launch, one.at) == ("b", odd, {"stage": "c1"})
    assert "1.75 GHz" in one.text and f"launch {odd} at 1.20 GHz" in one.text


def with_report(run, **report):
    launches = tuple(
        dataclasses.replace(
            one, launch=dataclasses.replace(one.launch, client={**one.launch.client, "sampler": report})
        )
        for one in run.launches
    )
    return dataclasses.replace(run, launches=launches)


def test_what_a_card_does_not_tell_is_said_once_with_its_reason(run):
    absent = {"GPU-a": {"nvlink_sent_bytes": "Not Supported", "energy_j": "Not Supported"}, "GPU-b": {"xid": "No room"}}
    (one,) = found(with_report(run, gpu_absent=absent, gpu_failed={}), "gpu-does-not-tell")
    assert one.text == (
        "The GPUs or their driver do not tell: xid (No room); energy_j, nvlink_sent_bytes (Not Supported)."
    )
    assert one.severity == "info"


def test_reads_that_failed_are_counted_over_the_run(run):
    data = with_report(run, gpu_failed={"GPU-a": {"power_w": 3}}, samples={"gpu": 100})
    (one,) = found(data, "gpu-reads-failed")
    assert (
        one.text
        == f"Reads of the GPUs failed in {100 * len(run.launches)} samples: power_w {3 * len(run.launches)} times."
    )
    assert not found(run, "gpu-reads-failed") and not found(run, "gpu-does-not-tell")

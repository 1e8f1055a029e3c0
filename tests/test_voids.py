"""Which passes over a stage do not count, from the rows of the telemetry alone."""

import numpy as np
import pandas as pd
import pytest

from bench.record import StageWindow
from bench.voids import held_back, intruders, lost_gpus, void_reasons

A, B = "GPU-a", "GPU-b"
TIMES = np.arange(0.0, 40.0, 0.1)


def window(start_s=10.0, end_s=20.0, stage="c1"):
    return StageWindow(
        stage=stage, round=0, start_s=start_s - 2, in_flight_reached_s=start_s - 1, warm_end_s=start_s,
        window_start_s=start_s, window_end_s=end_s, drain_end_s=end_s + 1, in_flight_reached=1, server_age_s=5.0,
    )  # fmt: skip


def rows(metric, values, entity=A, source="gpu", t=TIMES):
    return pd.DataFrame({"t_s": t, "source": source, "entity": entity, "metric": metric, "value": values})


def held(pid, first_s=0.0, last_s=40.0, uuid=A):
    t = np.arange(first_s, last_s, 1.0)
    return rows("process_memory_bytes", np.full(len(t), 7e9), f"{uuid}/{pid}", t=t)


def server(*pids):
    return rows("pid", np.array(pids, dtype=float), "server", "host", t=np.full(len(pids), 6.0))


def healthy():
    return rows("clocks_event_bits", np.zeros_like(TIMES))


def reason(*frames, at=None, lost=None):
    stages = (window(), window(22.0, 32.0, "c8"))
    reasons = void_reasons(pd.concat(frames, ignore_index=True), stages, lost or ())
    return reasons[1] if at and at.window_start_s == 22.0 else reasons[0]


def test_a_healthy_card_and_no_card_take_nothing_away():
    assert reason(healthy()) is None
    assert void_reasons(None, (window(),), ()) == (None,)
    assert reason(rows("cpu_ratio", np.ones_like(TIMES), "host", "host")) is None


def test_time_held_back_is_counted_where_the_card_counts_it_however_seldom_a_sample_saw_it():
    counted = rows("throttled_hw_thermal_s", np.where(TIMES > 13.0, 0.005, 0.0))
    one_sample = rows("clocks_event_bits", np.where(np.isclose(TIMES, 13.0), 0x40, 0))
    both = pd.concat([counted, one_sample])
    assert held_back(both, window()) == {"heat (hardware)": pytest.approx(0.0005)}
    assert reason(both) is None, "half a thousandth of the window moves no number"
    longer = rows("throttled_hw_thermal_s", np.where(TIMES > 13.0, 0.02, 0.0))
    assert reason(longer) == "the GPU was held back: heat (hardware)"


def test_a_counter_that_stands_while_sample_after_sample_sees_the_bit_is_not_believed():
    still = rows("throttled_hw_thermal_s", np.zeros_like(TIMES))
    bits = rows("clocks_event_bits", np.where((TIMES > 13) & (TIMES < 15), 0x40, 0))
    assert held_back(pd.concat([still, bits]), window()) == {"heat (hardware)": pytest.approx(0.19, abs=0.02)}


def test_where_nothing_counts_the_bits_of_the_samples_do():
    bits = rows("clocks_event_bits", np.where((TIMES > 13) & (TIMES < 14), 0x88, 0))
    assert set(held_back(bits, window())) == {"power brake", "hardware slowdown"}
    assert reason(bits, at=window(22.0, 32.0)) is None


def test_software_heat_is_seen_by_the_old_counter_of_drivers_that_have_no_new_one():
    assert "heat (software)" in reason(rows("throttled_thermal_s", np.where(TIMES > 13.0, 1.0, 0.0)))


def test_growth_at_an_edge_belongs_to_the_window_and_a_fall_is_no_growth():
    t = np.array([9.0, 11.0, 19.0, 21.0])
    edge = rows("throttled_hw_brake_s", np.array([5.0, 5.5, 0.0, 0.0]), t=t)
    assert held_back(edge, window()) == {"power brake": pytest.approx(0.05)}


def test_a_power_cap_is_no_fault():
    capped = pd.concat([rows("clocks_event_bits", np.full_like(TIMES, 0x4)), rows("throttled_power_s", TIMES)])
    assert reason(capped) is None


def test_one_card_of_two_is_enough():
    braked = rows("throttled_hw_brake_s", TIMES, B)
    assert "power brake" in reason(healthy(), braked)


@pytest.mark.parametrize(
    ("first_s", "void"),
    [(0.0, True), (9.5, True), (15.0, True), (33.0, False)],
    ids=["before", "warm-up", "in", "after"],
)
def test_a_stranger_on_the_card_is_found_whenever_it_came(first_s, void):
    found = reason(healthy(), held(100), server(90, 100), held(666, first_s))
    assert found == ("another process was on the GPU" if void else None)


def test_processes_of_the_arm_are_none_whenever_they_came_and_one_that_lived_a_moment_is_not_judged():
    assert reason(healthy(), held(100), held(200, 15.0), server(90, 100, 200)) is None
    assert reason(healthy(), held(100), held(300, 13.0, 15.0), server(90, 100)) is None


def test_a_process_is_no_stranger_while_the_host_was_not_looked_at():
    def sampled(every_s):
        t = np.arange(0.0, 40.0, every_s)
        return rows("rss_bytes", np.ones_like(t), "server", "host", t=t)

    short = held(300, 13.0, 19.0)  # six seconds
    assert reason(healthy(), held(100), server(90, 100), short, sampled(3.0)) is None
    assert reason(healthy(), held(100), server(90, 100), short, sampled(0.5)) == "another process was on the GPU"


def test_processes_counted_in_another_namespace_are_judged_by_when_they_came():
    assert reason(healthy(), held(7), held(8), server(90, 100)) is None
    assert reason(healthy(), held(7), held(8, 15.0), server(90, 100)) == "another process was on the GPU"


def test_a_driver_that_only_counts_processes_is_taken_at_its_count():
    more = rows("processes", np.where(TIMES > 15, 2.0, 1.0))
    assert reason(healthy(), more) == "another process was on the GPU"
    assert reason(healthy(), rows("processes", np.ones_like(TIMES))) is None


def test_strangers_are_looked_for_from_the_first_window_on():
    stages = (window(),)
    found = intruders(pd.concat([held(100), server(100), held(666, 2.0, 8.0)]), stages)
    assert found.empty


def test_a_memory_error_is_seen_though_the_counter_is_read_once_a_second():
    t = np.array([0.0, 19.4, 20.4, 39.0])
    late = rows("ecc_uncorrected", np.array([3.0, 3.0, 4.0, 4.0]), t=t)
    assert reason(healthy(), late) == "memory of the GPU failed"
    after = rows("ecc_uncorrected", np.array([3.0, 3.0, 3.0, 4.0]), t=t)
    assert reason(healthy(), after) is None


@pytest.mark.parametrize(("code", "void"), [(79, True), (48, True), (13, False), (31, False)])
def test_an_xid_of_the_card_s_own_takes_away_what_ends_after_it(code, void):
    told = rows("xid", np.array([float(code)]), t=np.array([21.0]))
    assert reason(healthy(), told) is None
    late = reason(healthy(), told, at=window(22.0, 32.0))
    assert (late is not None and f"XID {code}" in late) is void


def test_a_lost_gpu_takes_away_what_ended_after_the_loss():
    seen = rows("clocks_event_bits", np.zeros(250), t=TIMES[:250])  # until 24.9 s
    assert reason(seen, lost=[A]) is None
    assert reason(seen, at=window(22.0, 32.0), lost=[A]) == "the GPU was lost"


def test_lost_gpus_are_those_of_the_sampler_s_report_where_there_is_one():
    assert lost_gpus({}) == lost_gpus({"sampler": None}) == lost_gpus({"sampler": {"gpu_lost": None}}) == ()
    assert lost_gpus({"sampler": {"gpu_lost": {A: "GPU is lost"}}}) == (A,)

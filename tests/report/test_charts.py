"""Charts draw every launch on its own, in its arm's colour, with bounded data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.analysis.rows import tpot_s, ttft_s
from bench.report import charts, overtime, timeline
from tests.report import subjects


@pytest.fixture(scope="module")
def subject():
    return subjects.complete()


def test_curve_has_a_point_per_launch_and_stage(subject):
    figure = charts.throughput_latency(subject, "ttft_p50_s", "TTFT p50").figure
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in points] == [6, 6]
    assert [len(trace.x) for trace in figure.data if trace.mode != "markers"] == [2, 2]


@pytest.mark.parametrize("latency", [ttft_s, tpot_s])
def test_distribution_has_a_line_per_launch_and_one_legend_entry_per_arm(subject, latency):
    figure = charts.distribution(subject, latency, "TTFT", "c4").figure
    assert len(figure.data) == 6 and sum(trace.showlegend for trace in figure.data) == 2
    assert all(len(trace.x) <= 200 for trace in figure.data)
    assert all("(ms)" in trace.name for trace in figure.data)


def test_ecdf_keeps_both_ends_and_ends_at_all():
    x, y = charts.ecdf(np.arange(10_000.0), 200)
    assert len(x) == 200 and x[0] == 0 and x[-1] == 9_999 and y[-1] == 100


def test_ecdf_of_few_values_keeps_them_all():
    x, y = charts.ecdf(np.array([3.0, 1.0]), 200)
    assert list(x) == [1.0, 3.0] and list(y) == [50.0, 100.0]


def test_blocks_chart_joins_the_launches_of_a_block(subject):
    figure = charts.primary_by_block(subject).figure
    bars = [trace for trace in figure.data if trace.mode == "lines"]
    assert [set(bar.x) for bar in bars] == [{1}, {2}, {3}]


def test_ratio_within_the_blocks_is_drawn_once_per_block(subject):
    figure = charts.ratio_by_block(subject).figure
    assert [len(trace.x) for trace in figure.data] == [3]


def test_startup_has_a_row_per_launch_that_counts(subject):
    figure = timeline.startup(subject).figure
    assert max(len(trace.y) for trace in figure.data) == 6
    assert all("(s)" in trace.name for trace in figure.data)


def test_startup_begins_with_the_order_to_start_not_with_the_suite_s_own_waiting(subject):
    launches = tuple(
        dataclasses.replace(
            one, launch=dataclasses.replace(one.launch, marks={m: t + 60 for m, t in one.launch.marks.items()})
        )
        for one in subject.data.launches
    )
    later = dataclasses.replace(subject, data=dataclasses.replace(subject.data, launches=launches))
    ends = [
        x + base for trace in timeline.startup(later).figure.data for x, base in zip(trace.x, trace.base, strict=True)
    ]
    assert max(ends) < 10


def test_telemetry_lays_both_arms_over_each_other_from_the_beginning_of_their_load(subject):
    figure = overtime.telemetry(subject).figure
    arms = [arm.name for arm in subject.arms]
    for arm in arms:
        names = {trace.name for trace in figure.data if trace.legendgroup == arm}
        assert {f"{arm}: server CPU (cores)", f"{arm}: client CPU (cores)", f"{arm}: server, sum of RSS (GiB)"} <= names
    assert len(figure.layout.shapes) == 2 * 4 * len(arms)  # two windows in each of four panels: the host's CPUs too
    assert all(min(trace.x) >= 0 for trace in figure.data)


def test_thinning_loses_no_peak():
    y = np.zeros(100_000)
    y[54_321], y[77_777] = 9.0, -9.0
    t, kept = overtime.thin(np.arange(100_000.0), y, 600)
    assert len(t) <= 600 and kept.max() == 9.0 and kept.min() == -9.0


def test_colours_follow_the_arm_on_every_chart(subject):
    figure = charts.distribution(subject, ttft_s, "TTFT", "c1").figure
    for trace in figure.data:
        assert trace.line.color == subject.colour(trace.legendgroup)


def test_charts_without_data_are_left_out():
    empty = subjects.empty()
    assert charts.throughput_latency(empty, "ttft_p50_s", "TTFT p50") is None
    assert charts.primary_by_block(empty) is None and charts.ratio_by_block(empty) is None
    assert timeline.startup(empty) is None and overtime.telemetry(empty) is None


def test_median_launch_stands_for_the_arm(subject):
    value = subject.value("plain", "output_tokens_per_s", "c4")
    chosen = subject.median_launch("plain").launch.index
    assert sorted(value.per_launch.values())[1] == value.per_launch[chosen]


def test_gpus_have_panels_of_their_own_and_power_is_that_of_all_together(subject):
    def with_gpus(one):
        t = np.arange(0.0, 20.0, 0.1)
        frames = [
            pd.DataFrame({"t_s": t + shift, "source": "gpu", "entity": uuid, "metric": metric, "value": value})
            for uuid, shift in (("GPU-a", 0.0), ("GPU-b", 0.01))
            for metric, value in (("power_w", 300.0), ("sm_clock_hz", 1.98e9))
        ]
        return dataclasses.replace(one, telemetry=pd.concat([one.telemetry, *frames], ignore_index=True))

    launches = tuple(with_gpus(one) for one in subject.data.launches)
    data = dataclasses.replace(subject.data, launches=launches)
    figure = overtime.telemetry(dataclasses.replace(subject, data=data)).figure
    drawn = {trace.name: trace for trace in figure.data}
    assert set(drawn["plain: GPU power (W)"].y) == {600.0}
    assert list(drawn["plain: SM clock (GHz)"].y) == pytest.approx([1.98] * len(drawn["plain: SM clock (GHz)"].y))
    assert not any("KV" in trace.name for trace in figure.data), "no server says it"
    assert not any("host" in trace.name for trace in figure.data), "a page with GPUs needs no more panels"
    plain = {trace.name for trace in overtime.telemetry(subject).figure.data}
    assert not any("GPU" in name for name in plain)


@pytest.mark.parametrize("lost", ["GPU-a", "GPU-b"])
def test_a_lost_gpu_leaves_the_sum_and_ends_no_other_line(lost):
    t = np.arange(0.0, 20.0, 0.1)
    rows = pd.concat([
        pd.DataFrame({"t_s": (t + shift)[t < (8 if uuid == lost else 99)], "entity": uuid, "value": watts})
        for uuid, shift, watts in (("GPU-a", 0.0, 600.0), ("GPU-b", 0.01, 500.0))
    ])  # fmt: skip
    left = 500.0 if lost == "GPU-a" else 600.0
    x, total = overtime._over_gpus(rows, overtime._SUM)
    assert x[-1] > 19.8 and (np.diff(x) > 0).all()
    assert set(total[x < 7.9]) == {1100.0} and set(total[x > 8.2]) == {left}
    assert set(overtime._over_gpus(rows, overtime._MEAN)[1]) == {550.0, left}


def test_without_a_gpu_the_host_s_share_and_traffic_are_drawn_and_counters_as_rates(subject):
    def with_traffic(one):
        t = np.arange(0.0, 40.0, 0.5)
        read = np.where(t < 20.0, t * 30e6, (t - 20.0) * 30e6)  # the counter begins anew
        rows = {"disk_read_bytes": read, "disk_written_bytes": t * 5e6, "network_sent_bytes": 0 * t}
        frames = [
            pd.DataFrame({"t_s": t, "source": "host", "entity": "host", "metric": metric, "value": values})
            for metric, values in rows.items()
        ]
        return dataclasses.replace(one, telemetry=pd.concat([one.telemetry, *frames], ignore_index=True))

    launches = tuple(with_traffic(one) for one in subject.data.launches)
    data = dataclasses.replace(subject.data, launches=launches)
    figure = overtime.telemetry(dataclasses.replace(subject, data=data)).figure
    drawn = {trace.name: list(trace.y) for trace in figure.data}
    assert set(drawn["plain: host reads (MB/s)"]) == {30.0}
    assert set(drawn["plain: host writes (MB/s)"]) == {5.0}
    assert set(drawn["plain: host sends (MB/s)"]) == {0.0} and "plain: host receives (MB/s)" not in drawn
    assert 50 < drawn["plain: all of the host's CPUs (%)"][0] < 100

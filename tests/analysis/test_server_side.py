"""What the servers counted, against series whose truth is known."""

import dataclasses

import pandas as pd
import pytest

from bench.analysis import summarise
from bench.analysis.numbers import Numbers
from bench.analysis.server_side import server_sides
from bench.model import Stage
from tests.synthetic import Fake, make_run

REQUESTS_PER_S, SERVER_TTFT_S = 50.0, 0.020
STAGES = (Stage(id="c1", concurrency=1, duration_s=8.0),)


def with_engine(data, **changes):
    """Every launch's telemetry with counters that grow evenly, sampled twice a second, and constant gauges."""
    counters = {
        "ttft_s_count": REQUESTS_PER_S, "ttft_s_sum": REQUESTS_PER_S * SERVER_TTFT_S, "preemptions_total": 2.0,
        "prefix_cache_queries_total": 1000.0, "prefix_cache_hits_total": 250.0, **changes,
    }  # fmt: skip
    launches = []
    for one in data.launches:
        end_s = max(window.window_end_s for window in one.launch.stages) + 2
        times = [step / 2 for step in range(int(end_s * 2))]
        rows = [
            {"t_s": t, "source": "engine", "entity": "engine", "metric": metric, "value": rate * t}
            for metric, rate in counters.items()
            if rate is not None
            for t in times
        ]
        rows += [
            {"t_s": t, "source": "engine", "entity": "engine", "metric": "kv_cache_usage_ratio", "value": t / end_s}
            for t in times
        ]
        telemetry = pd.concat([one.telemetry, pd.DataFrame(rows)], ignore_index=True)
        launches.append(dataclasses.replace(one, telemetry=telemetry))
    return dataclasses.replace(data, launches=tuple(launches))


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.2)}, blocks=2, burn_in=0, stages=STAGES)


def of(data, arm="a"):
    return next(one for one in server_sides(Numbers(data)) if one.arm == arm)


def test_growth_within_the_windows_gives_the_servers_mean(run):
    found = of(with_engine(run))
    assert found.server_ttft_s == pytest.approx(SERVER_TTFT_S)
    assert found.prefix_hit_ratio == pytest.approx(0.25)
    length_s = sum(
        w.window_end_s - w.window_start_s for x in run.launches if x.launch.arm == "a" for w in x.launch.stages
    )
    assert found.preemptions == pytest.approx(2.0 * length_s, rel=0.1)  # to the distance of two samples
    assert 0.5 < found.kv_peak_ratio < 1
    assert found.running == 1.0


def test_what_the_client_saw_is_the_mean_of_its_good_requests(run):
    assert of(run).client_ttft_s == pytest.approx(0.030, rel=0.2)
    assert of(run, "b").client_ttft_s < of(run).client_ttft_s


def test_a_counter_that_fell_or_is_absent_is_not_known(run):
    assert of(with_engine(run, ttft_s_count=-1.0)).server_ttft_s is None
    assert of(with_engine(run, ttft_s_sum=None)).server_ttft_s is None
    assert of(with_engine(run, prefix_cache_queries_total=None)).prefix_hit_ratio is None
    assert of(run).server_ttft_s is None


def test_a_few_requests_give_no_mean(run):
    assert of(with_engine(run, ttft_s_count=0.5)).server_ttft_s is None


def test_samples_far_from_the_windows_ends_give_nothing(run):
    data = with_engine(run)
    thin = [dataclasses.replace(one, telemetry=one.telemetry[one.telemetry["t_s"] % 8 == 0]) for one in data.launches]
    assert of(dataclasses.replace(data, launches=tuple(thin))).server_ttft_s is None


def test_arm_without_rows_of_its_engine_has_no_row(run):
    bare = [
        dataclasses.replace(one, telemetry=one.telemetry[one.telemetry["source"] == "host"]) for one in run.launches
    ]
    assert server_sides(Numbers(dataclasses.replace(run, launches=tuple(bare)))) == ()


@pytest.mark.parametrize(("ttft_s", "is_found"), [(0.020, False), (0.2, True)])
def test_server_that_counts_slower_first_tokens_than_its_client_is_found(run, ttft_s, is_found):
    data = with_engine(run, ttft_s_sum=REQUESTS_PER_S * ttft_s)
    found = [one for one in summarise(data).findings if one.id == "server-slower-than-client"]
    assert {one.arm for one in found} == ({"a", "b"} if is_found else set())
    assert all("200 ms" in one.text for one in found)

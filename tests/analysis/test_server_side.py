"""What the servers counted, against series whose truth is known."""

import dataclasses
import re

import pandas as pd
import pytest

from bench.analysis import summarise
from bench.analysis.counters import Bracket
from bench.analysis.numbers import Numbers
from bench.analysis.server_side import server_sides
from bench.engines import get_engine
from bench.model import Stage
from bench.probes.server import parse_exposition
from tests.engines.real import real
from tests.synthetic import Fake, make_run

REQUESTS_PER_S, SERVER_TTFT_S = 50.0, 0.020
STAGES = (Stage(id="c1", concurrency=1, duration_s=8.0),)
# Of each second's REQUESTS_PER_S first tokens: none below 10 ms, 60 % below 50, 95 % below 250.
BUCKETS = {"ttft_s_le_0.01": 0.0, "ttft_s_le_0.05": 30.0, "ttft_s_le_0.25": 47.5}


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


def test_a_quantile_lies_between_the_bounds_of_its_bucket(run):
    found = of(with_engine(run, **BUCKETS))
    assert found.server_p50 == Bracket(0.01, 0.05)
    assert found.server_p90 == Bracket(0.05, 0.25)
    assert found.client_p50_s == pytest.approx(0.030, rel=0.1)
    assert found.client_p90_s > found.client_p50_s


def test_a_quantile_above_the_last_bound_has_no_upper_one(run):
    buckets = {"ttft_s_le_0.01": 0.0, "ttft_s_le_0.05": 30.0}
    assert of(with_engine(run, **buckets)).server_p90 == Bracket(0.05, None)


def test_a_quantile_in_the_first_bucket_begins_at_nothing(run):
    assert of(with_engine(run, **{"ttft_s_le_0.25": 47.5})).server_p50 == Bracket(0.0, 0.25)


def test_a_server_without_buckets_has_no_quantiles(run):
    found = of(with_engine(run))
    assert found.server_ttft_s is not None
    assert (found.server_p50, found.server_p90) == (None, None)


def test_few_requests_carry_a_median_before_they_carry_a_tail(run):
    few = {"ttft_s_count": 1.5, "ttft_s_le_0.01": 0.0, "ttft_s_le_0.25": 1.5}  # 24 in two windows of 8 s
    found = of(with_engine(run, **few))
    assert found.server_p50 == Bracket(0.01, 0.25)
    assert found.server_p90 is None
    assert of(with_engine(run, **few | {"ttft_s_count": 0.5})).server_p50 is None


def without(data, metric, launches):
    """The same run, without a metric in some launches."""
    kept = [
        dataclasses.replace(one, telemetry=one.telemetry[one.telemetry["metric"] != metric])
        if one.launch.index in launches
        else one
        for one in data.launches
    ]
    return dataclasses.replace(data, launches=tuple(kept))


def test_a_bucket_that_one_window_lacks_makes_the_interval_wider_not_wrong(run):
    data = with_engine(run, **BUCKETS)
    first = next(one.launch.index for one in data.launches if one.launch.arm == "a")
    assert of(without(data, "ttft_s_le_0.05", {first})).server_p50 == Bracket(0.01, 0.25)
    assert of(without(data, "ttft_s_count", {first})).server_p50 is None


def test_counters_that_fell_or_contradict_each_other_give_no_quantile(run):
    assert of(with_engine(run, **BUCKETS, ttft_s_count=-1.0)).server_p50 is None
    assert of(with_engine(run, **dict.fromkeys(BUCKETS, -1.0))).server_p50 is None
    assert of(with_engine(run, **BUCKETS | {"ttft_s_le_0.05": 48.0})).server_p50 is None, "more below 50 than below 250"
    assert of(with_engine(run, **BUCKETS | {"ttft_s_le_0.25": 60.0})).server_p50 is None, "more than were counted"


def test_every_bucket_of_a_real_vllm_is_one_of_ours():
    text = real("nv-benchmark/metrics_at_ready.txt")
    values = parse_exposition(text, get_engine("vllm").metric_names).values
    bounds = {float(name.removeprefix("ttft_s_le_")) for name in values if name.startswith("ttft_s_le_")}
    said = re.findall(r'^vllm:time_to_first_token_seconds_bucket\{.*le="([\d.]+)"', text, re.M)
    assert bounds == {float(bound) for bound in said} and len(bounds) == 22


@pytest.mark.parametrize("p", [50, 90])
def test_a_client_below_the_servers_interval_is_found(run, p):
    lower_s = {50: 0.05, 90: 0.25}[p]
    slow = {50: {"ttft_s_le_0.05": 20.0, "ttft_s_le_0.25": 50.0}, 90: {"ttft_s_le_0.05": 30.0, "ttft_s_le_0.25": 40.0}}
    data = with_engine(run, **{"ttft_s_le_0.01": 0.0, **slow[p]})
    found = [one for one in summarise(data).findings if one.id == "server-quantile-above-client"]
    assert {one.arm for one in found} == {"a", "b"}
    assert all(f"p{p} of more than {lower_s * 1e3:g} ms" in one.text for one in found)


def test_a_client_within_or_above_the_servers_interval_is_as_it_should_be(run):
    for upper in ("ttft_s_le_0.05", "ttft_s_le_0.01"):
        data = with_engine(run, **{"ttft_s_le_0.005": 0.0, upper: 50.0})
        assert not [one for one in summarise(data).findings if "server" in one.id]


def test_a_mean_that_tells_it_already_is_not_told_twice(run):
    data = with_engine(run, ttft_s_sum=REQUESTS_PER_S * 0.2, **{"ttft_s_le_0.1": 0.0, "ttft_s_le_0.25": 50.0})
    assert {one.id for one in summarise(data).findings if "server" in one.id} == {"server-slower-than-client"}


SGLANG = """\
sglang:prompt_tokens_total{model_name="m"} 400.0
sglang:cached_tokens_total{cache_source="device",model_name="m"} 90.0
sglang:cached_tokens_total{cache_source="host",model_name="m"} 10.0
"""
TENSORRT = """\
trtllm_num_requests_running{model_name="m"} 4
trtllm_num_requests_waiting{model_name="m"} 2
trtllm_generation_tokens_total{model_name="m"} 99
trtllm_prompt_tokens_total{model_name="m"} 400
trtllm_prompt_cached_tokens_total{model_name="m"} 100
"""
LLAMACPP = "llamacpp:prompt_tokens_total 300\nllamacpp:prompt_tokens_cached_total 100\n"


@pytest.mark.parametrize(("engine", "text"), [("sglang", SGLANG), ("llamacpp", LLAMACPP)])
@pytest.mark.parametrize("served_by", ["itself", "nim"])
def test_an_engine_without_a_counter_of_look_ups_has_the_ratio_of_its_prompts(engine, text, served_by):
    config = {"engine_inside": engine} if served_by == "nim" else {}
    fake = Fake(engine="nim" if served_by == "nim" else engine, config=config)
    rates = dict(parse_exposition(text, get_engine(fake.engine).metric_names).values)
    data = make_run({"a": fake}, blocks=2, burn_in=0, stages=STAGES)
    found = of(with_engine(data, prefix_cache_queries_total=None, **{"prefix_cache_hits_total": None} | rates))
    assert found.prefix_hit_ratio == pytest.approx(0.25)


def test_a_nim_with_tensorrt_inside_tells_its_queue_its_tokens_and_the_ratio_of_its_prompts():
    values = dict(parse_exposition(TENSORRT, get_engine("nim").metric_names).values)
    assert {name: values[name] for name in ("requests_running", "requests_waiting", "output_tokens_total")} == {
        "requests_running": 4.0,
        "requests_waiting": 2.0,
        "output_tokens_total": 99.0,
    }
    data = make_run({"a": Fake(engine="nim", config={"engine_inside": "tensorrt_llm"})}, blocks=2, stages=STAGES)
    counters = {name: value for name, value in values.items() if name.endswith("_total")}
    found = of(with_engine(data, **{"prefix_cache_queries_total": None, "preemptions_total": None} | counters))
    assert (found.prefix_hit_ratio, found.preemptions) == (pytest.approx(0.25), None)


def test_hits_behind_vllms_own_cache_are_hits_of_the_same_look_ups(run):
    assert of(with_engine(run, external_prefix_cache_hits_total=500.0)).prefix_hit_ratio == pytest.approx(0.75)
    assert of(with_engine(run, external_prefix_cache_hits_total=0.0)).prefix_hit_ratio == pytest.approx(0.25)
    fallen = with_engine(run, external_prefix_cache_hits_total=-1.0)
    assert of(fallen).prefix_hit_ratio is None, "not known beside known: not the known part alone"


def lazy_run(version=None, engine="sglang", **config):
    """Launches of one arm whose engine counts prompts, and neither hits nor retractions so far."""
    told = {"engine_version": version, **config} if version else config
    data = make_run({"a": Fake(engine=engine, config=told)}, blocks=2, burn_in=0, stages=STAGES)
    absent = ("preemptions_total", "prefix_cache_queries_total", "prefix_cache_hits_total")
    return with_engine(data, prompt_tokens_total=1000.0, **dict.fromkeys(absent))


def begins(data, metric, value, *, launches, share=0.5):
    """A counter that shows itself, with `value`, from this share of the first window on."""
    changed = []
    for one in data.launches:
        window, rows = one.launch.stages[0], one.telemetry
        first_s = window.window_start_s + share * (window.window_end_s - window.window_start_s)
        mine = rows[(rows["metric"] == "prompt_tokens_total") & (rows["t_s"] >= first_s)]
        more = mine.assign(metric=metric, value=value)
        telemetry = pd.concat([rows, more], ignore_index=True) if one.launch.index in launches else rows
        changed.append(dataclasses.replace(one, telemetry=telemetry))
    return dataclasses.replace(data, launches=tuple(changed))


def test_a_counter_that_begins_within_a_window_grew_from_nothing():
    data = begins(lazy_run("0.5.10"), "preemptions_total", 3.0, launches={1, 2})
    assert of(data).preemptions == 6.0
    data = begins(lazy_run("0.5.10"), "prefix_cache_hits_total", 2000.0, launches={1, 2})
    assert of(data).prefix_hit_ratio == pytest.approx(2000 / 8000, rel=0.1)


def test_a_counter_that_began_before_the_window_grew_by_what_was_added():
    data = begins(lazy_run("0.5.10"), "preemptions_total", 3.0, launches={1, 2}, share=-0.2)
    assert of(data).preemptions == 0.0


def test_an_engine_known_to_have_a_counter_that_never_began_counted_nothing():
    found = of(lazy_run("0.5.10.post1"))
    assert (found.preemptions, found.prefix_hit_ratio) == (0.0, 0.0)
    inside = of(lazy_run("0.5.12", engine="nim", engine_inside="sglang"))
    assert (inside.preemptions, inside.prefix_hit_ratio) == (0.0, 0.0)


@pytest.mark.parametrize("version", [None, "0.5.9", "0.5.5.post3", "unknown"])
def test_a_counter_that_the_engine_may_not_have_is_not_known_until_a_launch_shows_it(version):
    assert of(lazy_run(version)).preemptions is None
    assert of(begins(lazy_run(version), "preemptions_total", 3.0, launches={2})).preemptions == 3.0


def test_an_old_sglang_has_prefix_hits_and_no_retractions():
    found = of(lazy_run("0.4.6.post2"))
    assert (found.preemptions, found.prefix_hit_ratio) == (None, 0.0)


def test_hits_of_an_older_tensorrt_are_nothing_where_another_launch_shows_that_it_counts_them():
    data = lazy_run(engine="nim", engine_inside="tensorrt_llm")
    assert of(data).prefix_hit_ratio is None
    shown = begins(data, "prefix_cache_hits_total", 4000.0, launches={2})
    assert of(shown).prefix_hit_ratio == pytest.approx(4000 / 16000, rel=0.1)


def test_what_no_table_calls_lazy_stays_not_known():
    assert of(lazy_run("0.32.0", engine="vllm")).preemptions is None
    late = begins(lazy_run("0.32.0", engine="vllm"), "preemptions_total", 3.0, launches={1, 2})
    assert of(late).preemptions is None
    assert of(begins(lazy_run("0.5.10"), "ttft_s_count", 90.0, launches={1, 2})).server_ttft_s is None


def test_a_server_that_was_first_asked_within_the_window_proves_no_beginning():
    data = lazy_run("0.5.10")
    late = [
        dataclasses.replace(
            one,
            telemetry=one.telemetry[
                (one.telemetry["source"] != "engine")
                | (one.telemetry["t_s"] > one.launch.stages[0].window_start_s + 0.1)
            ],
        )
        for one in data.launches
    ]
    assert of(dataclasses.replace(data, launches=tuple(late))).preemptions is None


def test_more_hits_than_look_ups_are_no_ratio():
    data = make_run({"a": Fake(engine="sglang")}, blocks=2, burn_in=0, stages=STAGES)
    counted = {"prefix_cache_queries_total": None, "prompt_tokens_total": 100.0}
    assert of(with_engine(data, prefix_cache_hits_total=101.0, **counted)).prefix_hit_ratio is None
    assert of(with_engine(data, prefix_cache_hits_total=99.0, **counted)).prefix_hit_ratio == pytest.approx(0.99)


def test_a_nim_whose_engine_is_not_known_has_no_ratio_of_another_ones():
    data = make_run({"a": Fake(engine="nim")}, blocks=2, burn_in=0, stages=STAGES)
    counted = with_engine(data, prefix_cache_queries_total=None, prompt_tokens_total=100.0)
    assert of(counted).prefix_hit_ratio is None


def test_server_and_client_are_compared_over_the_passes_that_count_alone():
    data = make_run({"a": Fake(), "b": Fake()}, blocks=3, burn_in=0, stages=STAGES)
    client_s = of(with_engine(data)).client_ttft_s
    slow = min(one.launch.index for one in data.launches if one.launch.arm == "a")
    launches = []
    for one in with_engine(data, ttft_s_sum=REQUESTS_PER_S * 0.9 * client_s).launches:
        telemetry = one.telemetry
        if one.launch.index == slow:  # held back: ten times slower, and left out
            window = one.launch.stages[0]
            hot = {"source": "gpu", "entity": "GPU-a", "metric": "clocks_event_bits", "value": 0x40}
            bits = pd.DataFrame([{"t_s": window.window_start_s + 1, **hot}])
            sums = telemetry["metric"] == "ttft_s_sum"
            slowed = telemetry.assign(value=telemetry["value"].where(~sums, telemetry["value"] * 10))
            telemetry = pd.concat([slowed, bits], ignore_index=True)
        launches.append(dataclasses.replace(one, telemetry=telemetry))
    data = dataclasses.replace(data, launches=tuple(launches))
    assert of(data).server_ttft_s / of(data).client_ttft_s == pytest.approx(0.9, rel=0.05)
    assert not [one for one in summarise(data).findings if one.id == "server-slower-than-client"]

"""Prometheus text under our names, whatever else is in it."""

import pytest

from bench.engines import get_engine
from bench.probes.server import parse_exposition

NAMES = {
    "vllm:prompt_tokens_total": "prompt_tokens_total",
    "vllm:ttft_seconds": "ttft_s",
    "running": "requests_running",
}
OURS = {
    *("requests_running", "requests_waiting", "kv_cache_usage_ratio", "preemptions_total"),
    *("prompt_tokens_total", "output_tokens_total", "prefix_cache_queries_total", "prefix_cache_hits_total"),
    *(f"{what}_s_{part}" for what in ("ttft", "tpot", "e2e") for part in ("sum", "count", "le")),
}
GOOD = """\
# HELP vllm:prompt_tokens_total Prompt tokens.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{model_name="a",engine="0"} 5.0
vllm:prompt_tokens_total{model_name="a",engine="1"} 6.0
# TYPE vllm:ttft_seconds histogram
vllm:ttft_seconds_bucket{le="0.1"} 3.0
vllm:ttft_seconds_bucket{le="+Inf"} 4.0
vllm:ttft_seconds_count 4.0
vllm:ttft_seconds_sum 0.25
running 2
not_asked_for 9
"""


def test_asked_metrics_are_summed_over_labels_and_histograms_reduced():
    exposition = parse_exposition(GOOD, NAMES)
    assert exposition.values == {
        "prompt_tokens_total": 11.0,
        "ttft_s_count": 4.0,
        "ttft_s_sum": 0.25,
        "requests_running": 2.0,
    }
    assert exposition.dropped_lines == 0


def test_old_name_beside_the_new_one_is_not_counted_twice():
    names = {"kv_new": "kv_cache_usage_ratio", "kv_old": "kv_cache_usage_ratio"}
    assert parse_exposition("kv_old 0.6\nkv_new 0.5\n", names).values == {"kv_cache_usage_ratio": 0.5}
    assert parse_exposition("kv_old 0.6\n", names).values == {"kv_cache_usage_ratio": 0.6}


@pytest.mark.parametrize("bad", ["running two", "running{", 'running{a="b} 3', "running", "<html>", "\x00\x01"])
def test_bad_line_loses_nothing_else_and_is_counted(bad):
    head, tail = GOOD.splitlines()[:4], GOOD.splitlines()[4:]
    exposition = parse_exposition("\n".join([*head, bad, *tail]), NAMES)
    assert exposition.values == parse_exposition(GOOD, NAMES).values
    assert exposition.dropped_lines == 1


def test_labels_may_hold_braces_quotes_and_spaces():
    assert parse_exposition(r'running{a="x} 9 \" y"} 3 1700000000', NAMES).values == {"requests_running": 3.0}


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_only_a_line_feed_ends_a_line(inside):
    exposition = parse_exposition(f'running{{a="x{inside}y"}} 3\nkv 1\n', NAMES)
    assert (exposition.values, exposition.dropped_lines) == ({"requests_running": 3.0}, 0)


def test_lines_that_end_as_in_windows_are_read():
    exposition = parse_exposition(GOOD.replace("\n", "\r\n") + "\r\n", NAMES)
    assert exposition == parse_exposition(GOOD, NAMES)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_value_that_is_no_number_is_not_known_rather_than_wrong(text):
    exposition = parse_exposition(f"running {text}\n", NAMES)
    assert (exposition.values, exposition.dropped_lines) == ({}, 0)


def test_a_share_is_that_of_the_fullest_engine_and_an_amount_that_of_all():
    text = 'kv{engine="0"} 0.5\nkv{engine="1"} 0.75\nrunning{engine="0"} 3\nrunning{engine="1"} 4\n'
    values = parse_exposition(text, {"kv": "kv_cache_usage_ratio", "running": "requests_running"}).values
    assert values == {"kv_cache_usage_ratio": 0.75, "requests_running": 7.0}


def test_buckets_are_kept_under_their_bound_where_they_are_asked_for():
    names = {**NAMES, "vllm:ttft_seconds_bucket": "ttft_s_le"}
    second = GOOD.replace('{le="0.1"}', '{engine="1",le="0.1"}')
    found = parse_exposition(GOOD + second, names)
    assert found.values["ttft_s_le_0.1"] == 6.0
    assert [name for name in found.values if "_le" in name] == ["ttft_s_le_0.1"]  # +Inf is the count
    assert found.dropped_lines == 0


def test_bucket_without_a_bound_is_dropped():
    found = parse_exposition('ttft_bucket 3\nttft_bucket{le="x"} 3\n', {"ttft_bucket": "ttft_s_le"})
    assert (found.values, found.dropped_lines) == ({}, 2)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "nim", "llamacpp"])
def test_every_engine_names_its_metrics_from_one_set(engine):
    assert set(get_engine(engine).metric_names.values()) <= OURS

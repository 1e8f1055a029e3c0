"""Prometheus text under our names, whatever else is in it."""

import pytest

from bench.probes.server import parse_exposition

NAMES = {
    "vllm:prompt_tokens_total": "prompt_tokens_total",
    "vllm:ttft_seconds": "ttft_s",
    "running": "requests_running",
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


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_value_that_is_no_number_is_not_known_rather_than_wrong(text):
    exposition = parse_exposition(f"running {text}\n", NAMES)
    assert (exposition.values, exposition.dropped_lines) == ({}, 0)

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
    "external_prefix_cache_hits_total",
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


def sglang(text: str) -> dict[str, float]:
    exposition = parse_exposition(text, get_engine("sglang").metric_names)
    assert exposition.dropped_lines == 0
    return dict(exposition.values)


RANKS = 'engine_type="unified",model_name="m",moe_ep_rank="0",pp_rank="{pp}",tp_rank="{tp}"'


def shown(metric: str, value: float, *, pp: int = 0, tp: int = 0, more: str = "") -> str:
    return f"sglang:{metric}{{{RANKS.format(pp=pp, tp=tp)}{more}}} {value}\n"


def test_stages_of_a_pipeline_and_tensor_ranks_that_all_count_are_one_engine():
    queue = "".join(shown("num_queue_reqs", 40, pp=pp) for pp in (0, 1))
    retracted = "".join(shown("num_retracted_requests_total", 5, tp=tp) for tp in range(4))
    late = "".join(shown("num_running_reqs", value, tp=tp) for tp, value in enumerate((16, 15)))
    assert sglang(queue + retracted + late) == {
        "requests_waiting": 40.0,
        "preemptions_total": 5.0,
        "requests_running": 16.0,
    }


def test_data_parallel_ranks_share_the_load_and_add_up():
    apart = "".join(shown("num_running_reqs", 8 + n, tp=n, more=f',dp_rank="{n}"') for n in (0, 1))
    stages = "".join(shown("num_queue_reqs", 3, pp=pp, more=f',dp_rank="{dp}"') for pp in (0, 1) for dp in (0, 1))
    cache = "".join(shown("token_usage", 0.25 * (n + 1), tp=n, more=f',dp_rank="{n}"') for n in (0, 1))
    assert sglang(apart + stages + cache) == {
        "requests_running": 17.0,
        "requests_waiting": 6.0,
        "kv_cache_usage_ratio": 0.5,
    }


def test_the_time_per_output_token_of_a_new_sglang_is_kept():
    name = "sglang:request_time_per_output_token_seconds"
    text = "".join(f'{name}_{part}{{is_streaming="{s}"}} 2\n' for part in ("sum", "count") for s in ("true", "false"))
    assert sglang(text) == {"tpot_s_sum": 4.0, "tpot_s_count": 4.0}


def test_the_priorities_of_a_queue_are_parts_of_what_stands_beside_them():
    parts = {"": 12, "0": 7, "5": 5}
    text = "".join(
        shown("num_queue_reqs", value, more=f',dp_rank="{dp}",priority="{priority}"')
        for dp in (0, 1)
        for priority, value in parts.items()
    )
    assert sglang(text) == {"requests_waiting": 24.0}
    without_whole = "".join(shown("num_queue_reqs", n, more=f',priority="{n}"') for n in (2, 3))
    assert sglang(without_whole) == {"requests_waiting": 5.0}


def test_the_priorities_of_a_counter_add_up_because_the_empty_one_is_a_part_too():
    text = "".join(f'sglang:prompt_tokens_total{{model_name="m",priority="{p}"}} 10\n' for p in ("", "1", "2"))
    assert sglang(text) == {"prompt_tokens_total": 30.0}


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

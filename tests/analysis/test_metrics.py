"""Each number by hand from a few rows."""

import numpy as np
import pandas as pd
import pytest

from bench import metric_names
from bench.analysis.metrics import BY_NAME, METRICS, stage_values
from bench.analysis.rows import percentile
from bench.analysis.traffic import tokens_per_s_by_little
from bench.record import StageWindow
from bench.store.tables import REQUESTS
from bench.vocabulary import Kind
from tests.synthetic import make_run

WINDOW = StageWindow(
    stage="c1", round=1, start_s=0.0, in_flight_reached_s=0.0, warm_end_s=10.0, window_start_s=10.0,
    window_end_s=20.0, drain_end_s=22.0, in_flight_reached=1, server_age_s=10.0,
)  # fmt: skip


def rows(*given: dict) -> pd.DataFrame:
    """Requests of one token each 0.1 s after the first, which comes 0.5 s after the start."""
    usual = {
        "stage": "c1", "round": 1, "phase": "window", "status": "ok", "start_s": 10.0, "chunks": 11,
        "output_tokens": 11, "window_tokens": 11, "output_tokens_asked": 11, "itl_mean_s": 0.1, "itl_max_s": 0.2,
    }  # fmt: skip
    table = []
    for one in given:
        row = {**usual, **one}
        row.setdefault("first_token_s", row["start_s"] + 0.5)
        row.setdefault("last_token_s", row["first_token_s"] + 0.1 * (row["output_tokens"] - 1))
        row.setdefault("end_s", row["last_token_s"])
        table.append(row)
    return pd.DataFrame(table, columns=[field.name for field in REQUESTS])


def at(count: int, **changes) -> list[dict]:
    return [{"start_s": 10.0 + i * 0.01, **changes} for i in range(count)]


def test_table_has_exactly_the_names_that_a_scenario_may_ask_for():
    assert sorted(BY_NAME) == sorted(metric_names.METRICS)
    assert len(BY_NAME) == len(METRICS)


def test_every_metric_says_what_it_is():
    for metric in METRICS:
        assert metric.label and metric.definition.endswith("."), metric.name
        assert metric.margin > 0
        assert [metric.of_stage, metric.of_launch, metric.of_image].count(None) == 2
        assert metric.name.endswith(("_s", "_bytes", "_ratio", "_j", "_w"))


def test_latencies_of_five_equal_requests():
    values = stage_values(rows(*at(5)), WINDOW)
    assert values["ttft_p50_s"] == pytest.approx(0.5)
    assert values["tpot_p50_s"] == pytest.approx(0.1)
    assert values["e2e_p50_s"] == pytest.approx(1.5)
    assert values["itl_mean_s"] == pytest.approx(0.1)


@pytest.mark.parametrize(("p", "least"), [(50, 5), (90, 30), (99, 300)])
def test_percentile_that_the_count_cannot_carry_is_none(p, least):
    name = f"ttft_p{p}_s"
    assert stage_values(rows(*at(least - 1)), WINDOW)[name] is None
    assert stage_values(rows(*at(least)), WINDOW)[name] is not None
    assert 1 - (p / 100) ** least >= 0.95  # the reason for the number


def test_percentile_is_linear_between_order_statistics():
    values = np.random.default_rng(1).exponential(1, 301)
    assert percentile(pd.Series(values), 99) == pytest.approx(np.quantile(values, 0.99, method="linear"))
    assert percentile(pd.Series([1.0, 2.0, 3.0, 4.0, 9.0, None]), 50) == 3.0


def test_only_good_rows_of_the_window_carry_latencies():
    good = at(5)
    other = [
        {"first_token_s": 19.0, "phase": "warmup"},
        {"first_token_s": 19.0, "phase": "ramp"},
        {"first_token_s": 19.0, "phase": "drain"},
        {"first_token_s": 19.0, "status": "error"},
        {"first_token_s": 19.0, "status": "incomplete"},
        {"first_token_s": 19.0, "stage": "c4"},
        {"first_token_s": 19.0, "round": 2},
    ]
    assert stage_values(rows(*good, *other), WINDOW)["ttft_p50_s"] == pytest.approx(0.5)


def test_open_loop_latency_counts_from_the_planned_time():
    late = stage_values(rows(*at(5, scheduled_s=9.0)), WINDOW)
    assert late["ttft_p50_s"] == pytest.approx(1.52)
    assert late["e2e_p50_s"] == pytest.approx(2.52)
    assert late["tpot_p50_s"] == pytest.approx(0.1)


def test_answers_of_one_token_have_no_time_per_output_token():
    assert stage_values(rows(*at(5, output_tokens=1)), WINDOW)["tpot_p50_s"] is None


def test_tokens_count_where_they_arrived_whatever_became_of_the_request():
    table = rows(
        {"phase": "warmup", "window_tokens": 4},
        {"window_tokens": 11},
        {"window_tokens": 7, "status": "error"},
        {"window_tokens": 2, "status": "incomplete"},
    )
    assert stage_values(table, WINDOW)["output_tokens_per_s"] == pytest.approx((4 + 11 + 7 + 2) / 10)


def test_requests_count_by_the_share_of_their_tokens_that_arrived_in_the_window():
    table = rows(
        {"phase": "warmup", "start_s": 9.0, "output_tokens": 10, "window_tokens": 4},
        {"output_tokens": 11, "window_tokens": 11},
        {"start_s": 19.0, "output_tokens": 10, "window_tokens": 5},  # ends after the window
        {"start_s": 12.0, "status": "error", "output_tokens": 10, "window_tokens": 10},
        {"start_s": 12.0, "status": "incomplete", "output_tokens": 10, "window_tokens": 10},
    )
    assert stage_values(table, WINDOW)["requests_per_s"] == pytest.approx((0.4 + 1 + 0.5) / 10)


def test_requests_whose_tokens_are_not_known_count_where_they_ended():
    table = rows(
        {"phase": "warmup", "start_s": 9.0, "window_tokens": None},  # ends at 10.5
        {"start_s": 18.5, "window_tokens": None},  # ends exactly with the window
        {"start_s": 19.0, "window_tokens": None},  # ends at 20.5
    )
    assert stage_values(table, WINDOW)["requests_per_s"] == pytest.approx(2 / 10)


@pytest.mark.parametrize("phase_s", [0.0, 1.0, 3.0, 5.0])
def test_streams_in_step_give_the_same_rate_wherever_the_window_cuts_them(phase_s):
    begins = [phase_s + 6.0 * wave for wave in range(-1, 5)]  # four streams, each answer takes 6 s and 60 tokens
    table = rows(
        *(
            {
                "start_s": begin_s, "first_token_s": begin_s + 0.1, "last_token_s": begin_s + 6.0, "output_tokens": 60,
                "window_tokens": sum(10 <= begin_s + 0.1 * token <= 20 for token in range(1, 61)),
            }
            for begin_s in begins
            for _ in range(4)
        )
    )  # fmt: skip
    assert stage_values(table, WINDOW)["requests_per_s"] == pytest.approx(4 / 6, rel=0.02)


def test_mean_gap_weighs_gaps_not_requests():
    table = rows({"chunks": 2, "itl_mean_s": 0.5}, {"chunks": 10, "itl_mean_s": 0.1}, {"chunks": 1, "itl_mean_s": None})
    assert stage_values(table, WINDOW)["itl_mean_s"] == pytest.approx((0.5 + 9 * 0.1) / 10)


def test_errors_are_a_share_of_what_the_server_had_to_answer():
    table = rows(
        *at(8),
        {"status": "error"},
        {"status": "error"},
        {"status": "incomplete"},
        {"status": "error", "phase": "drain"},
    )
    assert stage_values(table, WINDOW)["error_ratio"] == pytest.approx(0.2)


def test_stage_without_rows_has_no_numbers():
    assert set(stage_values(rows(), WINDOW).values()) == {None}


def test_stage_of_errors_only_has_no_latency_but_a_share():
    values = stage_values(rows(*at(9, status="error", window_tokens=0)), WINDOW)
    assert (values["error_ratio"], values["output_tokens_per_s"], values["requests_per_s"]) == (1.0, 0.0, 0.0)
    assert values["ttft_p50_s"] is None


def test_values_are_plain_floats():
    data = make_run(blocks=1, burn_in=0)
    values = stage_values(data.launches[0].requests, data.launches[0].launch.stages[0])
    assert {type(value) for value in values.values()} <= {float, type(None)}


def test_launch_metrics_come_from_marks_and_telemetry():
    one = make_run(blocks=1, burn_in=0).launches[0]
    start = BY_NAME["start_to_ready_s"].of_launch(one)
    assert start == pytest.approx(one.launch.marks["ready"] - one.launch.marks["created"])
    assert BY_NAME["start_to_first_token_s"].of_launch(one) > start
    server = one.telemetry.query("entity == 'server' and metric == 'rss_bytes'")
    assert BY_NAME["peak_memory_bytes"].of_launch(one) == server["value"].max()


def test_share_of_errors_is_compared_as_a_difference():
    assert {m.name for m in METRICS if m.kind is Kind.DIFFERENCE} == {"error_ratio"}


@pytest.mark.parametrize(
    ("output_tokens", "concurrency", "ttft_ms", "itl_ms", "tokens_per_s"),
    [
        # NVIDIA's figures for NIM 1.8.0: llama-3.3-70b, 5000 in, 500 out
        (500, 1, 406.77, 18.58, 51.67),
        (500, 25, 688.69, 38.75, 623.4),
        (500, 50, 834.51, 59.73, 814.37),
        (500, 250, 88605, 93.2, 920.12),
        # llama-3.1-8b; of usual answer lengths only 200 tokens fits all four rows
        (200, 1, 10.26, 4.63, 214.56),
        (200, 50, 67.41, 5.91, 8018.23),
        (200, 100, 119.97, 7.57, 12214.97),
        (200, 250, 605.6, 16.14, 12964.72),
    ],
)
def test_littles_law_gives_published_throughput(output_tokens, concurrency, ttft_ms, itl_ms, tokens_per_s):
    ours = tokens_per_s_by_little(concurrency, ttft_ms / 1000, itl_ms / 1000, output_tokens)
    assert ours == pytest.approx(tokens_per_s, rel=0.011)

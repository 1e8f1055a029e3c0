"""What servers counted and cards could read stands on the page as far as it is known, and no further."""

import pytest

from bench.analysis.arm_health import decodings
from bench.analysis.counters import Bracket
from bench.analysis.numbers import Numbers
from bench.report import format as fmt
from bench.report import page
from bench.report.arm_health import decoding_rows
from bench.report.server_side import bracket_text
from tests.analysis.test_arm_health import HEALTHY, run_of
from tests.analysis.test_server_side import BUCKETS, with_engine
from tests.report import subjects
from tests.synthetic import make_run


def test_quantiles_of_a_server_are_shown_as_the_interval_that_its_buckets_prove():
    counted = with_engine(make_run(blocks=2, burn_in=0), **BUCKETS)
    html = page.render(subjects.subject_of(counted))
    table = html[html.index("<caption>Quantiles of the TTFT") :].partition("</table>")[0]
    assert "10–50\u00a0ms" in table and "50–250\u00a0ms" in table
    assert "Quantiles of the TTFT" not in page.render(subjects.complete())


def test_above_the_bandwidth_the_page_says_that_not_all_weights_are_read():
    data = run_of({"a": (0.6, HEALTHY | {"weights_gib": 60.0}), "b": (0.6, HEALTHY)})
    many, dense = decoding_rows(subjects.subject_of(data))
    assert many.lost == "none: not all weights are read for each token (experts, speculation)"
    assert dense.lost.endswith("ms")


def test_when_the_servers_count_and_what_waits_is_told_beside_their_numbers():
    html = page.render(subjects.subject_of(with_engine(make_run(blocks=2, burn_in=0))))
    caption = html[html.index("<caption>The servers' own counters") :].partition("</caption>")[0]
    assert "NIM 1.x and TensorRT-LLM count a first token when its request ends" in caption
    assert "every 40 decoding steps" in caption and "Since 0.20 vLLM's waiting requests" in caption


@pytest.mark.parametrize(
    ("bracket", "text"),
    [
        (Bracket(0.1, 0.25), "100–250\u00a0ms"),
        (Bracket(0.75, 1.0), "0.75–1\u00a0s"),
        (Bracket(0.0, 0.001), "below 1\u00a0ms"),
        (Bracket(2560.0, None), "above 2560\u00a0s"),
        (None, "not known"),
    ],
)
def test_the_bounds_of_a_bucket_get_no_digit_that_the_server_did_not_give(bracket, text):
    assert bracket_text(bracket) == text


def test_the_share_of_the_memory_bandwidth_stands_there_where_it_is_known():
    data = run_of({"a": (0.8, HEALTHY), "b": (0.4, HEALTHY)})
    html = page.render(subjects.subject_of(data))
    table = html[html.index("<h3>Memory bandwidth used at one stream") :].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 2
    assert "3.35\u00a0TB/s" in table and "15.0\u00a0GiB" in table
    assert all(f">{fmt.percent(one.share)}<" in table for one in decodings(Numbers(data)))
    assert "Memory bandwidth used" not in page.render(subjects.complete())

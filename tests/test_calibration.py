"""The instrument's own error, measured by the instrument."""

from bench.calibration import calibrate
from bench.events import silent
from bench.model import Load, Stage


def test_every_stage_has_a_row_of_errors_against_the_servers_log():
    stages = (
        Stage(id="a", concurrency=2, duration_s=60.0),
        Stage(id="open", rate_per_s=5.0, duration_s=60.0),
        Stage(id="b", concurrency=2, duration_s=60.0),
    )
    rows = calibrate(Load(stages=stages, input_tokens=32, output_tokens=240), silent)
    assert [(row["stage"], row["concurrency"], row["output_tokens"]) for row in rows] == [("a", 2, 240), ("b", 2, 240)]
    for row in rows:
        assert (row["requests"], row["failed"], row["chunks"]) == (2, 0, 480)
        assert 0 < row["ttft_error_p50_s"] <= row["ttft_error_p99_s"]
        assert 0 <= row["itl_error_p50_s"] <= row["itl_error_p99_s"]
        assert row["client_cpu_s"] > 0

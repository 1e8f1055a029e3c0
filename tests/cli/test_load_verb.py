"""`nimbench load` and `nimbench calibrate` as a user meets them."""

import json
import socket
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench.calibration import reference_server
from bench.cli.load_verb import METRICS, command
from bench.store.tables import REQUESTS

SHAPE = ("--model", "m", "--input-tokens", "20", "--output-tokens", "5")


def nimbench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def url():
    with reference_server("--first-ms", "5", "--gap-ms", "1") as url:
        yield url


@pytest.mark.slow
def test_a_count_of_requests_is_loaded_and_written(url, tmp_path):
    out = tmp_path / "requests.parquet"
    done = nimbench("load", f"{url}/v1", *SHAPE, "--concurrency", 4, "--requests", 40, "--requests-out", out, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"metrics", "requests", "errors", "incomplete", "wall_s", "client_cpu_s", "findings"}
    assert tuple(document["metrics"]) == METRICS
    assert (document["requests"], document["errors"], document["incomplete"]) == (40, 0, 0)
    assert document["findings"] == []
    assert document["metrics"]["ttft_p99_s"] is None  # 40 requests do not carry a p99
    metrics = {name: value for name, value in document["metrics"].items() if "p99" not in name}
    assert all(value > 0 for value in metrics.values())
    assert metrics["output_tokens_per_s"] == pytest.approx(200 / document["wall_s"])
    assert document["client_cpu_s"] > 0
    rows = pq.read_table(out)
    assert rows.schema.equals(REQUESTS)
    assert rows.num_rows == 40


@pytest.mark.slow
def test_rows_that_cannot_be_written_do_not_cost_the_numbers(url, tmp_path):
    out = tmp_path / ("x" * 300)  # longer than a name may be
    done = nimbench("load", url, *SHAPE, "--concurrency", 1, "--requests", 3, "--requests-out", out, "--json")
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)
    assert json.loads(done.stdout)["requests"] == 3
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_all_requests_failing_exits_4_with_the_first_error():
    with reference_server("--first-ms", "5", "--cut-after", "2", "--fault-every", "1") as url:
        done = nimbench("load", url, *SHAPE, "--concurrency", 1, "--requests", 3)
    assert done.returncode == 4
    assert "cut" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_server_is_a_missing_prerequisite():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = nimbench("load", f"http://127.0.0.1:{port}", *SHAPE, "--concurrency", 1, "--requests", 3)
    assert done.returncode == 2
    assert "no server answers" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--rate", "5", "--duration", "5s"), "open loop"),
        (("--concurrency", "2"), "either --requests or --duration"),
        (("--concurrency", "2", "--requests", "5", "--duration", "5s"), "either --requests or --duration"),
        (("--concurrency", "2", "--duration", "5 parsecs"), "no duration"),
        (("--concurrency", "0", "--requests", "5"), "concurrency"),
        (("--concurrency", "1", "--requests", "5", "--requests-out", "/no/such/folder/x.parquet"), "no such folder"),
        (("--concurrency", "1", "--requests", "5", "--tokenizer", "/no/such/tokenizer.json"), "tokenizer"),
    ],
)
def test_bad_options_are_told_before_anything_is_sent(url, options, text):
    result = CliRunner().invoke(command, [url, *SHAPE, *options])
    error = result.exception
    assert getattr(error, "exit_code", None) == 2 or error.code == 2
    assert text in str(error) + result.output


@pytest.mark.slow
def test_calibrate_prints_a_row_per_level():
    done = nimbench("calibrate", "--concurrency", 1, "--concurrency", 2, "--output-tokens", 8, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["calibration"]
    assert [row["concurrency"] for row in rows] == [1, 2]
    assert all(row["failed"] == 0 for row in rows)

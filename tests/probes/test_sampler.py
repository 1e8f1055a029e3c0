"""The sampler as it runs: a process of its own beside a server."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from bench.clock import now_ns
from bench.probes.sampler import SamplerSpec
from bench.probes.telemetry import Telemetry, read_rows
from bench.store.tables import TELEMETRY

ROOT = Path(__file__).parents[2]


class Metrics(http.server.BaseHTTPRequestHandler):
    """Every second answer is an error, every good one holds a line that breaks the format."""

    count = 0

    def do_GET(self):
        type(self).count += 1
        body = b"running 3\nrunning{ 4\n"
        self.send_response(200 if self.count % 2 else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def metrics_url():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def spec(tmp_path, **changes):
    values = {
        "t0_ns": now_ns(),
        "interval_s": 0.05,
        "server_pids": (os.getpid(),),
        "client_pid": os.getpid(),
        "metrics_url": None,
        "metric_names": {"running": "requests_running"},
        "out": str(tmp_path / "telemetry.arrows"),
    }
    return SamplerSpec(**{**values, **changes})


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_rows_of_host_and_engine_come_home_and_failures_are_counted(tmp_path, metrics_url):
    telemetry = Telemetry(spec(tmp_path, metrics_url=metrics_url))
    start = Metrics.count
    wait_for(lambda: Metrics.count >= start + 4)
    table, report = telemetry.stop()
    assert table.schema == TELEMETRY
    frame = table.to_pandas()
    assert {"host", "engine"} == set(frame["source"])
    assert set(frame.loc[frame["source"] == "engine", "value"]) == {3.0}
    assert {"host", "server", "sampler"} <= set(frame.loc[frame["source"] == "host", "entity"])
    assert frame["t_s"].min() >= 0
    assert report.failed["engine"] >= 1
    assert report.dropped_lines == report.samples["engine"]
    assert report.cpu_s > 0
    assert telemetry.stop() == (table, report)


def test_engine_that_is_gone_costs_only_its_own_rows(tmp_path):
    out = tmp_path / "telemetry.arrows"
    telemetry = Telemetry(spec(tmp_path, metrics_url="http://127.0.0.1:9/metrics"))
    wait_for(out.exists)
    time.sleep(1.0)
    table, report = telemetry.stop()
    assert "engine" not in report.samples
    assert report.failed["engine"] >= 1
    assert report.last_error["engine"]
    assert table.num_rows > 0


class Hanging(Metrics):
    """An exposition that begins and does not end until it is let go."""

    entered, let_go = threading.Event(), threading.Event()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"running 3\n")
        self.wfile.flush()
        self.entered.set()
        self.let_go.wait(30)


class Long(Metrics):
    """5 MB of other metrics around the one that is asked for."""

    body = (b'other_bucket{le="0.25",path="/v1/completions"} 17\n' * 50_000) + b"running 3\n" + b"#" * 2_500_000

    def do_GET(self):
        type(self).count += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)


@contextmanager
def serving(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()


def host_samples(table):
    frame = table.to_pandas()
    return int(((frame["source"] == "host") & (frame["metric"] == "memory_available_bytes")).sum())


@pytest.mark.slow
def test_exposition_that_never_ends_stops_no_other_source(tmp_path):
    with serving(Hanging) as url:
        telemetry = Telemetry(spec(tmp_path, metrics_url=url))
        assert Hanging.entered.wait(30)
        time.sleep(1)  # of a scrape that hangs
        table, report = telemetry.stop()
        Hanging.let_go.set()
    assert "engine" not in report.samples
    assert report.samples["host"] == host_samples(table) >= 5
    assert "host" not in report.failed


@pytest.mark.slow
def test_five_megabytes_of_metrics_are_read_and_lose_nothing_else(tmp_path):
    assert len(Long.body) > 5_000_000
    Long.count = 0
    with serving(Long) as url:
        telemetry = Telemetry(spec(tmp_path, metrics_url=url))
        wait_for(lambda: Long.count >= 3)
        table, report = telemetry.stop()
    frame = table.to_pandas()
    assert set(frame.loc[frame["source"] == "engine", "value"]) == {3.0}
    assert (report.failed, report.dropped_lines) == ({}, 0)
    assert report.samples["host"] == host_samples(table) >= report.samples["engine"]
    assert report.largest_gap_s["host"] > 0


def test_server_that_vanishes_in_the_middle_costs_only_its_own_later_samples(tmp_path):
    Metrics.count = 0
    with serving(Metrics) as url:
        telemetry = Telemetry(spec(tmp_path, metrics_url=url))
        wait_for(lambda: Metrics.count >= 3)
    time.sleep(0.5)  # of nobody there
    table, report = telemetry.stop()
    assert report.samples["engine"] >= 1 and report.failed["engine"] >= 2
    assert report.samples["host"] == host_samples(table) > report.samples["engine"]


def test_sampler_that_is_killed_is_reported_and_what_it_flushed_is_kept(tmp_path):
    telemetry = Telemetry(spec(tmp_path))
    os.kill(telemetry.pids[0], signal.SIGKILL)
    table, report = telemetry.stop()
    assert (table.schema, report.failed) == (TELEMETRY, {"sampler": 1})


def test_sampler_that_hangs_in_a_driver_and_cannot_be_killed_holds_nothing_up(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.probes.telemetry.STOP_TIMEOUT_S", 0.3)
    monkeypatch.setattr("bench.probes.telemetry.KILL_TIMEOUT_S", 0.3)
    telemetry = Telemetry(spec(tmp_path))
    (one,), (pid,) = telemetry._running, telemetry.pids
    wait_for((tmp_path / "telemetry.arrows").exists)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(one._process, "kill", lambda: None)
    table, report = telemetry.stop()
    assert (table.schema, report.failed) == (TELEMETRY, {"sampler": 1})
    assert report.last_error["sampler"] == f"it hangs within the driver; process {pid} is left to the kernel"
    os.kill(pid, signal.SIGKILL)
    one._process.wait()


def test_cut_stream_gives_every_whole_batch(tmp_path):
    path = tmp_path / "rows"
    batch = pa.RecordBatch.from_pylist(
        [{"t_s": 1.0, "source": "host", "entity": "host", "metric": "cpu_ratio", "value": 0.5}], schema=TELEMETRY
    )
    with path.open("wb") as file, pa.ipc.new_stream(file, TELEMETRY) as stream:
        stream.write_batch(batch)
        whole = file.tell()
        stream.write_batch(batch)
    data = path.read_bytes()
    for size, rows in ((len(data), 2), (whole, 1), (whole + 9, 1), (5, 0), (0, 0)):
        path.write_bytes(data[:size])
        assert read_rows(path).num_rows == rows
    assert read_rows(tmp_path / "absent").num_rows == 0


PARENT = """
import sys, time
from pathlib import Path
from bench.probes.sampler import SamplerSpec
from bench.probes.telemetry import Telemetry
who = {"server_pids": (), "client_pid": 1, "metrics_url": None, "metric_names": {}}
spec = SamplerSpec(t0_ns=0, interval_s=0.05, out=sys.argv[1], **who)
print(Telemetry(spec).pids[0], flush=True)
time.sleep(60)
"""


def test_sampler_dies_with_a_parent_that_is_killed(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "rows")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    sampler = int(parent.stdout.readline())
    wait_for((tmp_path / "rows").exists)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not Path(f"/proc/{sampler}").exists())

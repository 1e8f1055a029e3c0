"""Whole loads by real load processes against the reference server."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from bench.calibration import reference_server
from bench.clock import now_ns
from bench.errors import ArmError
from bench.events import silent
from bench.load.driver import LoadAborted, drive
from bench.load.job import LoadJob
from bench.load.reference_answer import STREAM_HEAD, Answer, Behaviour, plain_answer, take_request
from bench.load.workers import WorkerDied
from bench.model import Load, Stage
from bench.store.tables import CHUNKS, REQUESTS
from bench.vocabulary import Api, FailureKind
from bench.wire.request import get_once

T0_NS = now_ns()


def load(*stages, **facts):
    defaults = {"input_tokens": 40, "output_tokens": 10, "warmup_s": 0.0, "warmup_requests": 0, "timeout_s": 5.0}
    return Load(stages=stages, **(defaults | facts))


def run(url, traffic, progress=silent, watch=lambda: None, **facts):
    job = LoadJob(url=url, model="m", load=traffic, seed=3, t0_ns=T0_NS, **facts)
    result = drive(job, progress, watch=watch)
    return result, result.requests.to_pandas()


@pytest.fixture(scope="module")
def windows(reference):
    """A window over two processes, then a counted stage with a warm-up, two rounds."""
    url = reference()
    stages = (Stage(id="c6", concurrency=6, duration_s=0.4), Stage(id="n", concurrency=3, requests=10))
    traffic = load(*stages, warmup_s=0.1, warmup_requests=2, ramp_s=0.05, workers=2, rounds=2)
    result, rows = run(url, traffic, process_start_s=-5.0)
    return result, rows, get_once(url, "/writes").json()["requests"]


def test_tables_have_the_stores_columns(windows):
    result, rows, _ = windows
    assert result.requests.schema == REQUESTS
    assert result.chunks.schema == CHUNKS
    assert list(rows["seq"]) == list(range(len(rows)))
    assert result.chunks["seq"].to_pylist() == list(rows["seq"])
    assert [len(offsets) for offsets in result.chunks["offsets_us"].to_pylist()] == list(rows["chunks"])


def test_phases_follow_each_other_within_a_stage(windows):
    result, rows, _ = windows
    for window in result.stages:
        mine = rows[(rows["stage"] == window.stage) & (rows["round"] == window.round)]
        order = [phase for phase, _ in mine.groupby("phase", sort=False)]
        assert order == (
            ["ramp", "warmup", "window", "drain"] if window.stage == "c6" else ["ramp", "warmup", "window"]
        )
        measured = mine[mine["phase"] == "window"]
        assert measured["start_s"].between(window.window_start_s, window.window_end_s).all()
        assert window.start_s < window.in_flight_reached_s < window.window_start_s < window.window_end_s
        assert window.in_flight_reached == (6 if window.stage == "c6" else 3)
        assert window.server_age_s == window.window_start_s + 5.0
        warmups = mine[mine["phase"].isin(["ramp", "warmup"])].groupby("prompt_id").size()
        assert len(warmups) >= 2 * window.in_flight_reached


def test_streams_stay_under_load_until_the_windows_requests_have_ended(windows):
    result, rows, _ = windows
    for window in result.stages:
        mine = rows[(rows["stage"] == window.stage) & (rows["round"] == window.round)]
        last_end = mine.loc[mine["phase"] == "window", "end_s"].max()
        if window.stage == "c6":
            assert mine["end_s"].max() > last_end
        assert window.drain_end_s >= mine["end_s"].max()


def test_a_counted_stage_measures_exactly_so_many(windows):
    result, rows, _ = windows
    for window in result.stages[1::2]:
        mine = rows[(rows["stage"] == "n") & (rows["round"] == window.round) & (rows["phase"] == "window")]
        assert len(mine) == 10
        assert window.window_start_s == pytest.approx(mine["start_s"].min(), abs=1e-9)
        assert mine["window_tokens"].sum() == 100


def test_prompts_are_exact_unique_and_counted_by_the_server(windows):
    result, rows, logs = windows
    assert (rows["prompt_tokens"] == 40).all()
    assert (rows["output_tokens"] == 10).all()
    assert result.client["findings"] == []
    assert rows["prompt_id"].is_unique
    assert {f"nimbench-3-{key}" for key in rows["prompt_id"]} <= {log["id"] for log in logs}


def test_no_chunk_is_timed_before_the_server_wrote_it(windows):
    result, rows, logs = windows
    wrote = {log["id"]: log["writes_ns"] for log in logs}
    for row, offsets_us in zip(rows.itertuples(), result.chunks["offsets_us"].to_pylist(), strict=True):
        start_ns = T0_NS + row.start_s * 1e9
        late_ns = [
            start_ns + at * 1000 - t for at, t in zip(offsets_us, wrote[f"nimbench-3-{row.prompt_id}"], strict=True)
        ]
        assert min(late_ns) > -20_000  # offsets are whole microseconds; the two clocks are tied within a few


def test_locust_saw_every_request_and_the_processes_are_gone(windows):
    result, rows, _ = windows
    assert sum(result.client["locust_requests"].values()) == len(rows)
    assert all(cpu_s > 0 for cpu_s in result.client["cpu_s"].values())
    for pid in result.client["pids"]:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_chat_subtracts_what_the_template_adds(reference):
    url = reference("--extra-prompt-tokens", "11", "--reasoning-chunks", "2", "--tokens-per-chunk", "2")
    result, rows = run(url, load(Stage(id="c", concurrency=2, requests=4), api=Api.CHAT))
    assert (rows["prompt_tokens"] == 40).all()
    assert result.client["prompt_overhead_tokens"] == 11
    assert (rows["first_answer_s"] > rows["first_token_s"]).all()
    assert (rows["window_tokens"] == 10).all()
    assert (rows["chunks"] == 5).all()


def test_faults_are_rows_and_good_requests_go_on(reference):
    url = reference("--fault-every", "3", "--cut-after", "4", "--no-usage")
    result, rows = run(url, load(Stage(id="c", concurrency=2, requests=12)))
    assert len(rows) == 12
    cut = rows[rows["status"] == "error"]
    assert len(cut) == 4
    assert set(cut["error_kind"]) == {"cut"}
    assert (cut["chunks"] == 4).all()
    assert [finding["id"] for finding in result.client["findings"]] == ["client-no-usage"]


@pytest.mark.slow
def test_refused_and_stalled_requests_are_rows_of_their_kind(reference):
    url = reference("--fault-every", "2", "--status", "429")  # the first request, which shows the overhead, passes
    with reference_server("--first-ms", "5", "--gap-ms", "2", "--stall-after", "2", "--fault-every", "2") as stalling:
        _, rows = run(stalling, load(Stage(id="c", concurrency=2, requests=4), timeout_s=0.3))
    assert set(rows["error_kind"].dropna()) == {"timeout"}
    _, rows = run(url, load(Stage(id="c", concurrency=1, requests=6)))
    assert set(rows["error_kind"].dropna()) == {"http_429"}
    assert set(rows["http_status"]) == {200, 429}


@pytest.mark.slow
def test_a_server_that_dies_under_load_aborts_it_and_keeps_the_rows():
    with reference_server("--first-ms", "5", "--gap-ms", "2") as url:
        server_pid = find_listener(url)
        traffic = load(Stage(id="c", concurrency=4, requests=100_000))

        def kill_soon(event):
            if event.data.get("stage"):
                threading.Timer(0.5, os.kill, (server_pid, signal.SIGKILL)).start()

        with pytest.raises(LoadAborted, match="failed in a row") as caught:
            run(url, traffic, kill_soon)
    rows = caught.value.result.requests.to_pandas()
    assert {"ok", "error"} <= set(rows["status"])
    assert set(rows["error_kind"].dropna()) <= {"cut", "connect"}
    assert isinstance(caught.value, ArmError)


@pytest.mark.slow
def test_a_watcher_that_finds_the_arm_dead_ends_the_load_and_the_rows_are_kept(reference):
    def watch():
        if started and time.monotonic() > started[0] + 1.0:
            raise ArmError(FailureKind.CRASHED, "the arm is gone", repair="none")

    def start(event):
        if "streams" in event.text:
            started.append(time.monotonic())

    started = []
    with pytest.raises(LoadAborted, match="the arm is gone") as caught:
        run(reference(), load(Stage(id="c", concurrency=2, requests=100_000)), start, watch)
    assert caught.value.result.requests.num_rows > 0


def test_an_arm_that_dies_before_the_first_stage_ends_the_load_without_rows(reference):
    def watch():
        raise ArmError(FailureKind.CRASHED, "the arm is gone", repair="none")

    with pytest.raises(LoadAborted, match="the arm is gone") as caught:
        run(reference(), load(Stage(id="c", concurrency=2, duration_s=60.0)), watch=watch)
    assert caught.value.result.requests.num_rows == 0


def find_listener(url):
    """Pid of this test's own server: the child process that listens on the URL's port."""
    import psutil

    port = int(url.rpartition(":")[2])
    children = psutil.Process().children()
    return next(
        c.pid for c in children if any(n.laddr.port == port for n in c.net_connections() if n.status == "LISTEN")
    )


def test_a_load_process_that_dies_is_told(reference):
    def kill_first(event):
        if "client_pids" in event.data:
            threading.Timer(0.3, os.kill, (event.data["client_pids"][0], signal.SIGKILL)).start()

    with pytest.raises(WorkerDied, match="load process 0 ended with -9"):
        run(reference(), load(Stage(id="c", concurrency=2, duration_s=60.0)), kill_first)


@pytest.mark.slow
def test_a_load_process_that_is_stuck_is_ended_and_told(reference, monkeypatch):
    def stop_first(event):
        if "client_pids" in event.data:
            monkeypatch.setattr("bench.load.workers.MOST_SILENCE_S", 2.0)
            threading.Timer(0.3, os.kill, (event.data["client_pids"][0], signal.SIGSTOP)).start()

    with pytest.raises(WorkerDied, match="load process 0 gave no sign of life"):
        run(reference(), load(Stage(id="c", concurrency=2, duration_s=60.0)), stop_first)


def serve_sulkily(connection, pause_s):
    """Answer, but give every second completion of a connection up after `pause_s`, without a byte."""
    received, completions = bytearray(), 0
    with connection:
        while data := connection.recv(65536):
            received += data
            while asked := take_request(received):
                if "completions" not in asked.path:
                    connection.sendall(plain_answer(asked, []))
                    continue
                completions += 1
                if completions % 2 == 0:
                    time.sleep(pause_s)
                    return
                answer = Answer(1, asked.document(), False, Behaviour())
                chunks = b"".join(answer.chunk(index) for index in range(answer.chunks))
                connection.sendall(STREAM_HEAD + chunks + answer.end())


@pytest.mark.slow
@pytest.mark.parametrize(("pause_s", "failures"), [(0.0, 0), (1.2, 2)])
def test_only_a_close_that_crossed_the_request_is_tried_again(pause_s, failures):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    thread = threading.Thread(target=serve_sulkily, args=(listener.accept()[0], pause_s), daemon=True)
                    thread.start()

        threading.Thread(target=serve, daemon=True).start()
        _, rows = run(f"http://127.0.0.1:{listener.getsockname()[1]}", load(Stage(id="c", concurrency=1, requests=4)))
        listener.shutdown(socket.SHUT_RDWR)
    assert list(rows["error_kind"].dropna()) == ["cut"] * failures
    if not failures:
        idle_s = rows["start_s"].shift(-1) - rows["end_s"]
        assert idle_s[1:].min() < 0.05  # a request that was answered is no failure: nobody pauses for it


def test_a_defect_in_a_stream_ends_the_load_and_is_told(reference, tmp_path, monkeypatch):
    url = reference()
    (tmp_path / "sitecustomize.py").write_text(
        "from bench.load.prompts import PromptMaker\n"
        "def broken(self, key):\n    raise LookupError(key)\n"
        "PromptMaker.prompt = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerDied, match="LookupError"):
        run(url, load(Stage(id="c", concurrency=2, duration_s=60.0)))


@pytest.mark.slow
def test_an_encrypted_server_is_loaded(tmp_path, monkeypatch):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    flags = ("--first-ms", "5", "--gap-ms", "2", "--tls-cert", str(cert), "--tls-key", str(key))
    with reference_server(*flags) as url:
        url = url.replace("http:", "https:")
        answer = get_once(url, "/health")
        assert (answer.status, str(answer.error_kind)) == (None, "tls")  # nobody vouches for this certificate yet
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        _, rows = run(url, load(Stage(id="c", concurrency=3, requests=9)))
    assert (rows["status"] == "ok").all()
    assert (rows["chunks"] == 10).all()

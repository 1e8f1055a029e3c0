"""`nimbench run` on real llama.cpp: killed, resumed and interrupted, resumed and complete; one run folder."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.store.reader import load_run
from bench.vocabulary import LaunchStatus, Mark, RunStatus

SCENARIO = """\
summary: two settings of one small server
question: shipped
baseline: one
model: {id: tiny-llama, made: tiny-llama, max_model_len: 256}
serve_args: [--threads=1]
arms:
  one: {engine: llamacpp, side: buy, args: [--parallel=1]}
  two: {engine: llamacpp, side: build, args: [--parallel=2]}
load:
  prompt: {input_tokens: 32, output_tokens: 8}
  warmup: 0.2s
  warmup_requests: 1
  stages: [{concurrency: 2, duration: 2s}]
launches: {mode: smoke, blocks: 2, burn_in: 1}
primary: {metric: output_tokens_per_s}
"""
SMALL = ("--set", "launches.blocks=1", "--set", "launches.burn_in=0")
DEADLINE_S = 120


def free_port_pair():
    """Two neighbours, below the ephemeral range where that is possible."""
    for base in range(20_000 + os.getpid() % 5000 * 2, 60_000, 2):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", base))
                two.bind(("127.0.0.1", base + 1))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "tiny"
    folder.mkdir()
    text = SCENARIO.replace("burn_in: 1}", f"burn_in: 1, port_base: {free_port_pair()}}}")
    (folder / "scenario.yaml").write_text(text)
    return folder


def command(*words):
    return [sys.executable, "-m", "bench", "run", *map(str, words)]


@contextmanager
def running(*words):
    """A run under way; its stderr comes line by line."""
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(DEADLINE_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_until(process, *needles):
    """Consume stderr until each needle has come, in this order."""
    lines = []
    for needle in needles:
        for line in process.stderr:
            lines.append(line)
            if needle in line:
                break
        else:
            raise AssertionError(f"{needle!r} never came:\n{''.join(lines)}")


def servers(place):
    """Command lines of processes that still serve an arm of ours."""
    port_base = (place / "scenario.yaml").read_text().partition("port_base: ")[2].split("}")[0]
    found = subprocess.run(["ps", "-ww", "-eo", "stat=,args="], capture_output=True, text=True, check=True).stdout
    ports = {f"--port={int(port_base) + step}" for step in (0, 1)}
    return [line for line in found.splitlines() if ports & set(line.split()) and not line.startswith("Z")]


def wait_gone(place):
    """Nothing of the run is left; it has seconds, not minutes."""
    for _ in range(40):
        if not servers(place):
            return
        time.sleep(0.1)
    raise AssertionError(servers(place))


@pytest.fixture(scope="module")
def killed(place):
    """kill -9 in the middle of the first launch's load stage."""
    results = place.parent / "results"
    with running(place, "--results", results, *SMALL) as process:
        read_until(process, "launch: block 0, launch 1", "stage: c2: 2 streams")
        time.sleep(0.5)
        assert servers(place)
        process.kill()
        process.wait()
        wait_gone(place)
    (folder,) = (results / "tiny").iterdir()
    return folder, load_run(folder)


@pytest.fixture(scope="module")
def interrupted(place, killed):
    """Resumed, and then Ctrl-C in the middle of the load stage."""
    folder = killed[0]
    with running(place, "--resume", folder, "--no-report") as process:
        read_until(process, "launch: block 0, launch 1", "stage: c2: 2 streams")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=DEADLINE_S)
        wait_gone(place)
    return folder, load_run(folder), (process.returncode, out, errors)


@pytest.fixture(scope="module")
def resumed(place, interrupted):
    """Resumed once more, by id, and left alone."""
    folder = interrupted[0]
    words = ("--resume", folder.name, "--results", folder.parents[1], "--json")
    done = subprocess.run(command(place, *words), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return folder, load_run(folder), done


@pytest.mark.slow
def test_killed_run_leaves_no_server_and_says_what_is_missing(killed):
    _, data = killed
    assert data.run.status is RunStatus.STARTED
    assert data.launches == ()
    assert [text.split(";")[0].rpartition(" (")[0] for text in data.missing] == ["launch 1", "launch 2"]
    assert "what it left lies in launches/.001-" in data.missing[0]
    assert data.run.calibration
    assert data.run.model_files["model.gguf"] or data.run.model_files
    assert {"cpu_model", "memory_bytes", "kernel"} <= set(data.run.host)


@pytest.mark.slow
def test_report_of_a_killed_run_names_what_is_missing(killed):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", str(killed[0])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "launch 1 (arm" in done.stdout
    assert (killed[0] / "report.html").exists()


@pytest.mark.slow
def test_interrupted_run_stops_everything_and_keeps_its_folder(interrupted):
    _, data, (code, out, errors) = interrupted
    assert (code, out) == (130, "")
    assert "interrupted by signal 2" in errors
    assert "Traceback" not in errors
    assert data.run.status is RunStatus.INTERRUPTED
    (one,) = data.launches
    assert (one.launch.attempt, one.launch.status) == (2, LaunchStatus.INTERRUPTED)
    assert one.folder.name.startswith("001.2-")


@pytest.mark.slow
def test_resumed_run_repeats_the_launch_under_way_and_comes_to_its_end(resumed):
    folder, data, done = resumed
    assert done.returncode == 0, done.stderr
    assert (data.run.status, data.missing) == (RunStatus.COMPLETE, ())
    good = [one.launch for one in data.launches if one.launch.status is LaunchStatus.DONE]
    assert [(launch.index, launch.attempt) for launch in good] == [(1, 3), (2, 1)]
    assert [finding.id for finding in data.run.findings] == ["resumed", "resumed"]
    document = json.loads(done.stdout)
    assert (document["run"], document["status"]) == (str(folder), "complete")
    assert Path(document["report"]).exists()
    assert {"choice", "because"} <= set(document["decision"])
    assert all(json.loads(line)["kind"] for line in done.stderr.splitlines())


@pytest.mark.slow
def test_launch_of_a_real_engine_holds_its_marks_configuration_and_samples(resumed):
    one = next(one for one in resumed[1].launches if one.launch.status is LaunchStatus.DONE)
    marks = one.launch.marks
    order = (Mark.CREATED, Mark.PROCESS_STARTED, Mark.PORT_OPEN, Mark.READY, Mark.FIRST_TOKEN)
    assert [marks[mark] for mark in order] == sorted(marks[mark] for mark in order)
    assert one.launch.effective_config["served_model"] == "tiny-llama"
    assert one.launch.versions["xllamacpp"]
    assert {"engine", "host"} == set(one.telemetry["source"])
    assert {"server", "client", "sampler", "host"} <= set(one.telemetry["entity"])
    assert set(one.requests["prompt_tokens"]) == {32}


def refused(*words):
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.slow
def test_complete_run_is_not_resumed(place, resumed):
    code, text = refused(place, "--resume", resumed[0])
    assert code == 2
    assert "this run is complete" in text


@pytest.mark.slow
def test_run_that_is_still_being_measured_is_not_resumed(place, killed):
    handle = os.open(killed[0], os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as a process that measures does
    code, text = refused(place, "--resume", killed[0])
    os.close(handle)
    assert (code, "still being measured" in text) == (2, True)


@pytest.mark.slow
def test_resumed_run_must_be_the_same_question(place, killed, tmp_path):
    folder = tmp_path / "copy" / "20260101T000000Z-aaaaaa"
    (folder / "launches").mkdir(parents=True)
    run = json.loads((killed[0] / "run.json").read_text()) | {"status": "failed"}
    run["scenario"]["load"]["output_tokens"] = 9
    (folder / "run.json").write_text(json.dumps(run))
    code, text = refused(place, "--resume", folder)
    assert code == 2
    assert "scenario.load.output_tokens: was 9, is 8" in text
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"


@pytest.mark.slow
def test_resumed_run_keeps_its_settings(place, killed):
    code, text = refused(place, "--resume", killed[0], "--mode", "quick")
    assert (code, "keeps its own mode" in text) == (2, True)


def test_results_folder_that_cannot_be_written_fails_before_anything_starts(place, tmp_path):
    (tmp_path / "file").write_text("")
    code, text = refused(place, "--results", tmp_path / "file" / "results")
    assert (code, "results cannot be written here" in text) == (2, True)


WITHOUT_THE_RUN_EXTRA = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("psutil", "locust", "prometheus_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from bench.cli import main
main()
"""


def test_base_install_says_which_extra_runs_scenarios():
    words = [sys.executable, "-c", WITHOUT_THE_RUN_EXTRA, "run", "demo"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, ".[run,demo]" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr

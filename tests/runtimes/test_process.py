"""Arms as processes: real llama.cpp, and programs that die, hang or hide."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace

import pytest

from bench.engines.base import Command
from bench.errors import ArmError
from bench.events import silent
from bench.runtimes.ready import wait_ready
from bench.vocabulary import FailureKind, Mark, RuntimeKind
from tests.runtimes.arms import (
    an_arm,
    environ_of,
    free_port,
    is_alive,
    llama_spec,
    python_command,
    read_pid,
    spec_of,
    started,
    until,
)

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
print("up", flush=True)
time.sleep(600)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def test_llamacpp_starts_becomes_ready_and_is_gone_after_stop(tmp_path):
    arm = an_arm(args=("--parallel=2",))
    spec = llama_spec(arm, tmp_path)
    with started(spec, tmp_path, arm) as running:
        marks = dict(running.marks_ns()) | wait_ready(running, spec, silent)
        order = [Mark.CREATED, Mark.PROCESS_STARTED, Mark.PORT_OPEN, Mark.READY]
        assert [marks[mark] for mark in order] == sorted(marks[mark] for mark in order)
        assert Mark.FIRST_LOG in running.marks_ns()
        assert running.exited() is None
        pid = running.pids()["engine"]
        body = json.dumps({"prompt": "ban", "max_tokens": 4, "ignore_eos": True, "temperature": 0}).encode()
        with urllib.request.urlopen(f"{running.url}/v1/completions", body, timeout=30) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] == 4
        with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) as peer:
            assert peer.getpeername()[0] == "127.0.0.1"
    assert not is_alive(pid)
    assert any("n_slots = 2" in line for line in (tmp_path / "server.log").read_text().splitlines())


def test_log_lines_hold_seconds_since_t0_and_the_commands_name(tmp_path):
    spec = spec_of(python_command("print('one'); print(); print('x' * 9000); import time; time.sleep(600)"))
    with started(spec, tmp_path) as running:
        assert until(lambda: len(running.log_tail()) >= 3)
    lines = (tmp_path / "server.log").read_text().splitlines()
    assert {line.split(" ")[1] for line in lines} == {"engine"}
    assert all(float(line.split(" ")[0]) >= 0 for line in lines)
    assert max(map(len, lines)) < 4100


def test_a_bad_model_file_is_named_with_log_and_command(tmp_path):
    (tmp_path / "bad.gguf").write_text("not a model")
    arm = an_arm()
    spec = llama_spec(arm, tmp_path, model_path=str(tmp_path / "bad.gguf"))
    with started(spec, tmp_path, arm) as running, pytest.raises(ArmError) as caught:
        wait_ready(running, spec, silent)
    assert caught.value.kind is FailureKind.UNSUPPORTED_MODEL
    assert caught.value.exit_code == 4
    assert "bad.gguf" in caught.value.command
    assert any("invalid magic" in line for line in caught.value.log_tail)


def test_a_missing_model_file_is_an_unsupported_model(tmp_path):
    arm = an_arm()
    spec = llama_spec(arm, tmp_path, model_path=str(tmp_path / "none.gguf"))
    with started(spec, tmp_path, arm) as running, pytest.raises(ArmError, match=r"no such model file"):
        wait_ready(running, spec, silent)


def test_a_server_that_dies_without_a_known_word_has_crashed(tmp_path):
    spec = spec_of(python_command("print('about to fall'); raise SystemExit(3)"))
    with started(spec, tmp_path) as running, pytest.raises(ArmError) as caught:
        wait_ready(running, spec, silent)
    assert caught.value.kind is FailureKind.CRASHED
    assert "exit code 3" in caught.value.text
    assert any("about to fall" in line for line in caught.value.log_tail)


def test_a_server_killed_by_sigkill_is_a_host_memory_kill(tmp_path):
    spec = spec_of(python_command("import time; time.sleep(600)"))
    with started(spec, tmp_path) as running, pytest.raises(ArmError) as caught:
        os.kill(running.pids()["engine"], signal.SIGKILL)
        wait_ready(running, spec, silent)
    assert caught.value.kind is FailureKind.HOST_MEMORY_KILL


@pytest.mark.slow
def test_a_server_that_never_becomes_ready_times_out_with_its_last_answer(tmp_path):
    code = (
        "import sys\nfrom http.server import *\n"
        "class No(BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_error(503)\n"
        "HTTPServer(('127.0.0.1', int(sys.argv[1])), No).serve_forever()"
    )
    port = free_port()
    spec = spec_of(python_command(code, str(port)), port=port, timeout_s=1.5)
    with started(spec, tmp_path) as running, pytest.raises(ArmError, match="answered 503") as caught:
        wait_ready(running, spec, silent)
    assert caught.value.kind is FailureKind.TIMEOUT


def test_a_port_that_is_taken_is_found_before_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        spec = spec_of(python_command("pass"), port=other.getsockname()[1])
        with pytest.raises(ArmError) as caught, started(spec, tmp_path):
            pass
    assert caught.value.kind is FailureKind.PORT_TAKEN


def test_an_engines_port_behind_a_sidecar_is_looked_at_too(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        spec = replace(
            spec_of(python_command("pass")), metrics_url=f"http://127.0.0.1:{other.getsockname()[1]}/metrics"
        )
        with pytest.raises(ArmError, match="cannot be had"), started(spec, tmp_path):
            pass


def test_a_supervisor_that_cannot_run_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    began_s = time.monotonic()
    with pytest.raises(ArmError, match="the supervisor ended"), started(spec_of(python_command("pass")), tmp_path):
        pass
    assert time.monotonic() - began_s < 10


def test_a_program_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(ArmError, match="no-such-program"),
        started(spec_of(Command(name="engine", argv=("no-such-program",))), tmp_path),
    ):
        pass


def test_a_child_sees_the_arms_environment_and_none_of_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "nvapi-secret-value")
    arm = an_arm(env={"FLAVOUR": "plain"})
    code = "import time; print('key nvapi-secret-value', flush=True); time.sleep(600)"
    with started(spec_of(python_command(code)), tmp_path, arm) as running:
        assert until(lambda: running.log_tail())
        env = environ_of(running.pids()["engine"])
    assert env["FLAVOUR"] == "plain"
    assert env["PYTHONUNBUFFERED"] == "1"
    assert "NGC_API_KEY" not in env
    assert "nvapi-secret-value" not in (tmp_path / "server.log").read_text()


def test_a_secret_of_the_arm_itself_does_not_reach_the_log(tmp_path):
    code = "import os, time; print('key', os.environ['HF_TOKEN'], flush=True); time.sleep(600)"
    with started(spec_of(python_command(code, env={"HF_TOKEN": "hf-secret-value"})), tmp_path) as running:
        assert until(lambda: running.log_tail())
    assert (tmp_path / "server.log").read_text().endswith(" engine key [redacted]\n")


def test_a_full_disk_costs_the_log_and_leaves_nobody_behind(tmp_path):
    (tmp_path / "server.log").symlink_to("/dev/full")
    side = python_command(DAEMON, str(tmp_path / "pid"), name="side")
    with started(spec_of(python_command("import time; time.sleep(600)"), side), tmp_path) as running:
        pid = read_pid(tmp_path / "pid")
        assert until(lambda: "No space left" in (tmp_path / "supervisor.err").read_text())
        assert running.exited() is None
    assert until(lambda: not is_alive(pid), 2.0)


def test_files_of_a_command_lie_in_the_scratch_folder_before_it_starts(tmp_path):
    code = "import time; print(open('conf/a.conf').read(), flush=True); time.sleep(600)"
    with started(spec_of(python_command(code, files={"conf/a.conf": "hello file"})), tmp_path) as running:
        assert until(lambda: any("hello file" in line for line in running.log_tail()))


def test_stop_ends_a_daemon_that_left_its_session(tmp_path):
    with started(spec_of(python_command(DAEMON, str(tmp_path / "pid"))), tmp_path) as running:
        daemon = read_pid(tmp_path / "pid")
        assert is_alive(daemon)
        running.stop()
        assert not is_alive(daemon)
        running.stop()  # twice is safe


def test_stop_ends_a_program_that_ignores_sigterm(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runtimes.process.GRACE_S", 0.3)
    with started(spec_of(python_command(DEAF)), tmp_path) as running:
        assert until(lambda: running.log_tail())
        pid = running.pids()["engine"]
    assert not is_alive(pid)


def test_every_command_of_an_arm_is_started_and_the_first_to_end_is_named(tmp_path):
    side = python_command("import time; time.sleep(0.3); raise SystemExit(7)", name="side")
    with started(spec_of(python_command("import time; time.sleep(600)"), side), tmp_path) as running:
        assert set(running.pids()) == {"engine", "side"}
        assert until(lambda: running.exited() is not None)
        assert (running.exited().command, running.exited().code) == ("side", 7)


def test_no_server_survives_two_seconds_when_the_suite_is_killed(tmp_path):
    parent_code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(tmp_path.cwd())!r})
from tests.runtimes.arms import *
with started(spec_of(python_command({DAEMON!r}, sys.argv[1] + "/daemon"), python_command({DEAF!r}, name="deaf")),
             Path(sys.argv[1])) as running:
    Path(sys.argv[1], "pids").write_text(" ".join(map(str, running.pids().values())))
    time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code, str(tmp_path)])
    try:
        daemon = read_pid(tmp_path / "daemon")
        assert until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" ") == 1)
        pids = [daemon, *map(int, (tmp_path / "pids").read_text().split())]
        assert until(lambda: "deaf deaf" in (tmp_path / "server.log").read_text())
        assert all(map(is_alive, pids))
    finally:
        parent.kill()
        parent.wait()
    assert until(lambda: not any(map(is_alive, pids)), limit_s=2.0)  # the bound is the requirement


def test_an_endpoint_is_never_stopped(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arm = an_arm(runtime=RuntimeKind.ENDPOINT, url=f"http://127.0.0.1:{port}")
        with started(spec_of(port=port), tmp_path, arm) as running:
            assert (running.pids(), running.exited(), running.log_tail()) == ({}, None, ())
        socket.create_connection(("127.0.0.1", port)).close()

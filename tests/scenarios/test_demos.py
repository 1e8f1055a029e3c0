"""The scenarios that come with the suite: each can be planned, and says what it is."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

import pytest

from bench.engines.base import Command
from bench.plan import launch_spec, make_plan
from bench.runtimes.ready import port_opens
from bench.runtimes.supervisor import descendants
from bench.scenario import load_scenario
from bench.vocabulary import Side
from tests.runtimes.arms import free_port, is_alive, python_command, spec_of, started, until

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_can_be_planned_and_every_template_is_filled(name):
    scenario = load_scenario(str(SCENARIOS / name))
    plan = make_plan(scenario)
    for arm in scenario.arms:
        spec = launch_spec(scenario, arm.name, plan, scratch="/scratch")
        words = [word for command in spec.commands for word in (*command.argv, *command.files.values())]
        assert not [word for word in words if re.search(r"\$\{\w+\}", word)]


def test_the_arms_of_demo_aa_are_the_same_command():
    scenario = load_scenario(str(SCENARIOS / "demo-aa"))
    plan = make_plan(scenario)
    lines = []
    for arm in scenario.arms:
        argv = launch_spec(scenario, arm.name, plan, scratch="/s").commands[0].argv
        lines.append([word for word in argv if not word.startswith("--port=")])
    assert lines[0] == lines[1]


def test_the_stand_in_never_passes_for_nim():
    arm = next(arm for arm in load_scenario(str(SCENARIOS / "demo-vllm")).arms if arm.side is Side.BUY)
    assert arm.notice == "stand-in, not NVIDIA NIM"
    assert arm.entry == "nginx"


def test_every_requirement_of_demo_vllm_is_exact_and_hashed_and_no_index_is_named():
    text = (SCENARIOS / "demo-vllm" / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert all(re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+ \\", line) for line in packages)
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines if line.startswith(" "))
    assert "://" not in text
    assert "--index" not in text


BACKEND = """
import sys, time
from http.server import *
class Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
        for word in (b"one", b"two"):
            self.wfile.write(b"3\\r\\n" + word + b"\\r\\n"); self.wfile.flush(); time.sleep(0.3)
        self.wfile.write(b"0\\r\\n\\r\\n")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Slow).serve_forever()
"""


@pytest.mark.skipif(
    not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin"), reason="nginx is not installed"
)
def test_the_nginx_hop_passes_each_chunk_on_as_it_comes_and_leaves_nothing_behind(tmp_path):
    engine_port, nginx_port = free_port(), free_port()
    text = (SCENARIOS / "demo-vllm" / "nginx.conf.in").read_text()
    words = {"${scratch}": str(tmp_path), "${engine_port}": str(engine_port), "${nginx_port}": str(nginx_port)}
    for word, value in words.items():
        text = text.replace(word, value)
    argv = ("nginx", "-p", str(tmp_path), "-c", f"{tmp_path}/nginx.conf", "-e", "stderr")
    hop = Command(name="nginx", argv=argv, files={"nginx.conf": text})
    spec = spec_of(python_command(BACKEND, str(engine_port)), hop, port=nginx_port)
    with started(spec, tmp_path) as running:
        for port in (engine_port, nginx_port):
            assert until(lambda port=port: port_opens(f"http://127.0.0.1:{port}"))
        with socket.create_connection(("127.0.0.1", nginx_port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            seen = [client.recv(4096)]
            while b"one" not in seen[-1]:
                seen.append(client.recv(4096))
            assert b"two" not in b"".join(seen), "a chunk was held back"
            while b"two" not in seen[-1]:
                seen.append(client.recv(4096))
        assert running.exited() is None
        hops = [running.pids()["nginx"], *descendants(running.pids()["nginx"])]
        assert len(hops) == 2
    assert not any(map(is_alive, hops))

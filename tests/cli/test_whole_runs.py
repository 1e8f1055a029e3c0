"""Whole commands as a user types them: the demo's page in a real browser, and real vLLM plain against behind nginx."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.store.reader import load_run
from bench.vocabulary import LaunchStatus, Mark, RunStatus
from tests.cli.test_run_verb import free_port_pair
from tests.report.browser import open_tab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def run_whole(scenario, results, *sets):
    """The summary of one short run, its folder, and its page; fails with stderr when the exit code is not 0."""
    sets = (f"launches.port_base={free_port_pair()}", "launches.burn_in=0", *sets)
    words = [word for one in sets for word in ("--set", one)]
    command = [sys.executable, "-m", "bench", "run", scenario, "--json", "--results", str(results), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"CI": "true"}, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout)
    page = Path(printed["report"])
    return json.loads((page.parent / "summary.json").read_text()), page.parent, page


def still_listening(data):
    """Ports of the run's plan on which something listens."""
    planned = {port for ports in data.run.plan.ports.values() for port in ports.values()}
    open_ports = {one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    return planned & open_ports


def test_the_page_of_a_real_demo_opens_in_a_browser_without_error_or_request(tmp_path):
    _, _, page = run_whole("demo", tmp_path / "results", "launches.blocks=2")
    with open_tab(tmp_path / "profile") as tab:
        tab.open(page, width=1280)
        assert tab.errors == []
        assert [url for url in tab.requests if not url.startswith((page.resolve().as_uri(), "data:"))] == []
        charts = tab.evaluate("document.querySelectorAll('.chart').length")
        drawn = tab.evaluate("[...document.querySelectorAll('.plot')].filter(p => p.querySelector('.main-svg')).length")
        assert charts == drawn >= 9


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock's CPU wheel of torch is for Python 3.11")
def test_real_vllm_plain_and_behind_nginx_is_measured_from_start_to_page(tmp_path):
    summary, folder, page = run_whole("demo-vllm", tmp_path / "results", "launches.blocks=1")
    data = load_run(folder)
    assert data.run.status is RunStatus.COMPLETE
    assert [launch.launch.status for launch in data.launches] == [LaunchStatus.DONE] * 2
    assert "stand-in, not NVIDIA NIM" in page.read_text()
    for launch in data.launches:
        marks = launch.launch.marks
        assert {Mark.WEIGHTS_LOADED, Mark.KV_READY, Mark.PORT_OPEN, Mark.READY, Mark.FIRST_TOKEN} <= set(marks)
        assert marks[Mark.CREATED] < marks[Mark.PROCESS_STARTED] < marks[Mark.WEIGHTS_LOADED] < marks[Mark.FIRST_TOKEN]
        window = launch.requests[launch.requests.phase == "window"]
        assert len(window) and set(window.status) == {"ok"}
        assert set(window.prompt_tokens) == {32} and set(window.output_tokens) == {32}
        engine = launch.telemetry[launch.telemetry.source == "engine"]
        assert {"requests_running", "output_tokens_total"} <= set(engine.metric)
        assert launch.launch.effective_config["engine_version"] == "0.32.0"
    behind = next(launch for launch in data.launches if "nginx" in " ".join(launch.launch.command))
    assert behind.launch.stages[0].window_end_s > behind.launch.marks[Mark.FIRST_TOKEN]
    # One launch of each arm is no comparison, and the suite says so.
    assert {c["verdict"] for c in summary["comparisons"] if c["kind"] == "sampled"} == {"unknown"}
    assert still_listening(data) == set()

"""The flow of a run, on endpoint arms (the reference server) and on arms that fail."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import bench.launching.attempt
from bench.calibration import reference_server
from bench.cli.interrupts import Interrupts
from bench.errors import ArmError, Interrupted, LimitError
from bench.events import silent
from bench.launching import Attempt
from bench.launching.gates import GpuGate
from bench.measure import measure
from bench.model import Arm, Launches, Load, Model, Primary, Scenario, Stage
from bench.plan import make_plan
from bench.store.reader import load_run
from bench.store.writer import create_run
from bench.vocabulary import FailureKind, LaunchStatus, Mark, Question, RunStatus, RuntimeKind, Side

LOAD = Load(
    stages=(Stage(id="c2", concurrency=2, duration_s=0.3),),
    input_tokens=8,
    output_tokens=4,
    warmup_s=0.1,
    warmup_requests=1,
    timeout_s=20.0,
)


def scenario(*arms, port_base=18400, **launches):
    return Scenario(
        name="measured",
        folder="/nowhere/measured",
        summary="s",
        question=Question.SHIPPED,
        baseline=arms[0].name,
        model=Model(id="reference"),
        arms=arms,
        load=LOAD,
        launches=Launches(mode="smoke", blocks=1, burn_in=0, telemetry_interval_s=0.1, port_base=port_base, **launches),
        primary=Primary(metric="output_tokens_per_s", stage="c2"),
    )


def endpoint(name, url):
    return Arm(name=name, engine="llamacpp", side=Side.BUY, runtime=RuntimeKind.ENDPOINT, url=url)


def process(name, *command, **facts):
    return Arm(name=name, engine="llamacpp", side=Side.BUILD, runtime=RuntimeKind.PROCESS, command=command, **facts)


def new_run(folder, asked):
    facts = {"host": {}, "versions": {}, "origin": {"tool": "nimbench"}}
    writer = create_run(folder, asked, make_plan(asked), **facts)
    writer.update(calibration=({"stage": "c2"},))  # as in a resumed run: what is known is not measured again
    return writer


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def url():
    with reference_server("--first-ms", "5", "--gap-ms", "1") as address:
        yield address


def test_every_planned_launch_becomes_a_record_with_rows_and_marks(tmp_path, url):
    writer = new_run(tmp_path, scenario(endpoint("one", url), endpoint("two", url)))
    events, blocks = [], []
    measure(writer.run.scenario, writer.run.plan, writer, progress=events.append, on_block=blocks.append)
    data = load_run(writer.folder)
    assert (data.run.status, data.missing, data.run.error) == (RunStatus.COMPLETE, (), None)
    assert [one.launch.status for one in data.launches] == [LaunchStatus.DONE] * 2
    assert {Mark.READY, Mark.FIRST_TOKEN} <= set(data.launches[0].launch.marks)
    assert data.launches[0].launch.client["sampler"]["samples"]["host"] > 0
    assert "findings" not in data.launches[0].launch.client
    assert set(data.launches[0].requests["status"]) == {"ok"}
    assert set(data.launches[0].telemetry["entity"]) >= {"host", "client", "sampler"}
    assert blocks == [writer.folder]
    assert {"launch", "stage", "mark", "block"} <= {event.kind for event in events}
    assert not list(writer.folder.rglob("*.partial"))


def test_report_that_fails_costs_no_measurement_and_is_not_silent(tmp_path, url):
    writer = new_run(tmp_path, scenario(endpoint("one", url)))
    events = []

    def broken(_folder):
        raise ZeroDivisionError("no page today")

    measure(writer.run.scenario, writer.run.plan, writer, progress=events.append, on_block=broken)
    run = load_run(writer.folder).run
    assert (run.status, [finding.id for finding in run.findings]) == (RunStatus.COMPLETE, ["report-failed"])
    assert "no page today" in run.findings[0].text
    assert any(event.kind == "warning" and "no page today" in event.text for event in events)


def test_interrupt_during_a_report_ends_the_run(tmp_path, url):
    writer = new_run(tmp_path, scenario(endpoint("one", url)))
    interrupts = Interrupts()
    with interrupts.installed(), pytest.raises(Interrupted):
        measure(
            writer.run.scenario, writer.run.plan, writer,
            progress=silent, on_block=lambda _: signal.raise_signal(signal.SIGINT), shield=interrupts.shield,
        )  # fmt: skip
    data = load_run(writer.folder)
    assert (data.run.status, data.missing, data.run.findings) == (RunStatus.INTERRUPTED, (), ())


@pytest.mark.slow
@pytest.mark.parametrize(("sleeps_s", "status", "attempts"), [([9.0, 0.0], "complete", 2), ([9.0, 9.0], "void", 2)])
def test_launch_in_which_the_host_slept_is_void_and_tried_once_more(
    tmp_path, url, monkeypatch, sleeps_s, status, attempts
):
    monkeypatch.setattr(
        bench.launching.attempt, "suspended_s", lambda *_: sleeps_s.pop(0)
    )  # no test may suspend a host
    writer = new_run(tmp_path, scenario(endpoint("one", url)))
    measure(writer.run.scenario, writer.run.plan, writer, progress=silent, on_block=lambda _: None)
    data = load_run(writer.folder)
    assert (data.run.status, len(data.launches)) == (status, attempts)
    assert data.launches[0].launch.void_reason.startswith("the host slept for 9.000 s")
    assert data.launches[0].requests is None
    assert bool(data.missing) is (status == "void")


def test_launch_with_a_pass_that_its_gpu_spoilt_is_measured_once_more(tmp_path, url, monkeypatch):
    left = [("c2", "the GPU was held back: power brake")]
    monkeypatch.setattr(Attempt, "spoilt", lambda _: left.pop() if left else None)
    writer = new_run(tmp_path, scenario(endpoint("one", url), endpoint("two", url)))
    measure(writer.run.scenario, writer.run.plan, writer, progress=silent, on_block=lambda _: None)
    data = load_run(writer.folder)
    assert (data.run.status, data.missing) == (RunStatus.COMPLETE, ())
    assert [(one.launch.index, one.launch.status) for one in data.launches] == [
        (1, LaunchStatus.VOID), (1, LaunchStatus.DONE), (2, LaunchStatus.DONE),
    ]  # fmt: skip
    assert data.launches[0].launch.void_reason == "at c2 the GPU was held back: power brake"
    assert (data.launches[0].folder / "requests.parquet").exists(), "what was measured is kept"


def test_gpu_that_is_never_free_ends_the_run_with_the_first_launch_and_names_the_repair(tmp_path, url, monkeypatch):
    monkeypatch.setattr(GpuGate, "wait", lambda *_: "GPU-a is used by process 666; waited 300 s")
    writer = new_run(tmp_path, scenario(endpoint("one", url), endpoint("two", url)))
    with pytest.raises(LimitError, match=rf"used by process 666.*\n  repair: .*--resume {writer.folder.name}"):
        measure(writer.run.scenario, writer.run.plan, writer, progress=silent, on_block=lambda _: None)
    data = load_run(writer.folder)
    assert (data.run.status, [one.launch.index for one in data.launches]) == (RunStatus.FAILED, [1, 1])
    assert all(one.launch.void_reason == "GPU-a is used by process 666; waited 300 s" for one in data.launches)


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ((sys.executable, "-c", "print('no luck today'); raise SystemExit(3)"), FailureKind.CRASHED, "exit code 3"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), FailureKind.TIMEOUT, "did not become ready"),
        (("/no/such/program",), FailureKind.CRASHED, "No such file"),
    ],
)
def test_arm_that_does_not_serve_ends_the_run_and_is_recorded(tmp_path, free_port, command, kind, words):
    asked = scenario(process("bad", *command, ready_timeout_s=1.0), port_base=free_port)
    writer = new_run(tmp_path, asked)
    with pytest.raises(ArmError, match=words) as caught:
        measure(asked, writer.run.plan, writer, progress=silent, on_block=lambda _: None)
    assert caught.value.exit_code == 4
    data = load_run(writer.folder)
    (one,) = data.launches
    assert (data.run.status, one.launch.status, one.launch.failure.kind) == (
        RunStatus.FAILED,
        LaunchStatus.FAILED,
        kind,
    )
    assert words in data.run.error
    assert one.launch.command
    assert one.launch.failure.repair
    assert data.missing[0].startswith("launch 1 (arm bad, block 0) ended as failed: ")
    if words == "exit code 3":
        assert "no luck today" in one.launch.failure.log_tail[-1]
        assert "no luck today" in (one.folder / "server.log").read_text()


DIES_UNDER_LOAD = """
import os, subprocess, sys, time
server = subprocess.Popen([sys.executable, "-m", "bench.load.reference", "--port", sys.argv[1], "--gap-ms", "1"],
                          stdin=subprocess.PIPE)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
print("giving up", flush=True)
server.kill()
server.wait()
sys.exit(7)
"""


@pytest.mark.slow
def test_arm_that_dies_under_load_is_told_with_its_last_words(tmp_path, free_port):
    order = tmp_path / "die"
    command = (sys.executable, "-c", DIES_UNDER_LOAD, str(free_port), str(order))
    long = Load(stages=(Stage(id="c2", concurrency=2, duration_s=30.0),), input_tokens=8, output_tokens=4)
    asked = scenario(process("mortal", *command, env={"PYTHONPATH": str(Path.cwd())}), port_base=free_port)
    asked = Scenario(**{name: getattr(asked, name) for name in asked.__slots__} | {"load": long})
    writer = new_run(tmp_path, asked)

    def progress(event):
        if event.data.get("stage") == "c2":
            threading.Timer(1.0, order.touch).start()

    with pytest.raises(ArmError, match="died under load: engine ended with exit code 7"):
        measure(asked, writer.run.plan, writer, progress=progress, on_block=lambda _: None)
    (one,) = load_run(writer.folder).launches
    assert (one.launch.status, one.launch.failure.log_tail[-1][-9:]) == (LaunchStatus.FAILED, "giving up")
    assert (one.folder / "telemetry.parquet").exists()


def test_interrupt_waits_for_the_step_that_must_not_be_cut():
    interrupts = Interrupts()
    steps = []
    with interrupts.installed(), pytest.raises(Interrupted) as caught:
        with interrupts.shield():
            with interrupts.shield():
                os.kill(os.getpid(), signal.SIGTERM)
            steps.append("inner")
            time.sleep(0.01)
            steps.append("outer")
        steps.append("never")
    assert steps == ["inner", "outer"]
    assert caught.value.exit_code == 143


def test_second_interrupt_does_not_break_the_stopping():
    interrupts, before = Interrupts(), signal.getsignal(signal.SIGINT)
    with interrupts.installed():
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_that_was_lost_can_be_repeated(monkeypatch):
    monkeypatch.setattr("bench.cli.interrupts.DEAF_S", 0.0)
    with Interrupts().installed():
        for _ in range(2):
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGINT)


def test_interrupted_run_says_so_and_keeps_its_folder(tmp_path, url):
    writer = new_run(tmp_path, scenario(endpoint("one", url), endpoint("two", url)))
    interrupts = Interrupts()

    def progress(event):
        if event.data.get("stage") == "c2":
            os.kill(os.getpid(), signal.SIGINT)

    with interrupts.installed(), pytest.raises(Interrupted):
        measure(
            writer.run.scenario, writer.run.plan, writer,
            progress=progress, on_block=lambda _: None, shield=interrupts.shield,
        )  # fmt: skip
    data = load_run(writer.folder)
    assert (data.run.status, [one.launch.status for one in data.launches]) == ("interrupted", ["interrupted"])
    assert len(data.missing) == 2
    listing = ["ps", "-ww", "-o", "args=", "--ppid", str(os.getpid())]
    left = subprocess.run(listing, capture_output=True, text=True, check=True)
    assert "bench.load.user" not in left.stdout
    assert "bench.probes.sampler" not in left.stdout

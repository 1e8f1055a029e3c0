"""The state of GPUs, asked for from a process of its own: the real bindings against a library that plays traces."""

import os
import signal
import time
from contextlib import closing

import pytest

from bench.probes.driver_process import DriverProcess, DriverSilent
from bench.probes.gpufacts import read_gpus
from bench.probes.gpuwatch import GpuGone, GpuWatch
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

pytestmark = requires_gcc


def interrupted(*_):
    raise KeyboardInterrupt


def silent(*_):
    raise DriverSilent("not within 60 s")


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """`watched(trace)`: a watch whose process finds the library."""
    opened = []

    def begin(trace, answer_s=30.0):
        (tmp_path / "trace").write_text(trace)
        play(monkeypatch, build(tmp_path), tmp_path / "trace", time.monotonic_ns())
        opened.append(GpuWatch(answer_s=answer_s))
        return opened[-1]

    yield begin
    for watch in opened:
        watch.close()


def test_every_fact_of_a_state_comes_from_the_bindings_in_our_units(watched):
    facts = (
        "steps application_sm_clock_hz 0:1200000000", "process 4242 60000000000 -9 1e9", "unsupported temperature_c",
        "failing persistence 0 1e9",
    )  # fmt: skip
    watch = watched(trace_of(**{GPU: facts, OTHER: ("steps temperature_c 0:33",)}))
    one, other = watch.read([GPU, OTHER])
    assert (one.uuid, other.uuid) == (GPU, OTHER)
    assert one.processes == ((4242, 60_000_000_000),) and other.processes == ()
    assert one.utilisation_ratio == 0.97 and one.memory_used_bytes == 70_000_000_000 and one.clocks_event_bits == 0
    assert one.power_w == 300.0 and one.power_limit_w == 700.0 and one.application_sm_clock_hz == 1.2e9
    assert one.temperature_c is None and other.temperature_c == 33.0
    assert one.persistence is None and other.persistence is True, "unknown errors hold nothing up"


def test_one_process_answers_every_question(watched):
    watch = watched(trace_of(**{GPU: ()}))
    watch.read([GPU])
    pid = watch.process.pid
    watch.read([GPU])
    assert watch.process.pid == pid
    watch.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_driver_that_hangs_is_not_waited_for_and_asked_anew_the_next_time(watched):
    watch = watched(trace_of(**{GPU: ()}))
    watch.read([GPU])
    os.kill(watch.process.pid, signal.SIGSTOP)
    watch.process.answer_s = 0.2
    with pytest.raises(DriverSilent, match=r"not within 0\.2 s"):
        watch.read([GPU])
    watch.process.answer_s = 30.0
    assert watch.read([GPU])[0].uuid == GPU


def test_a_library_that_kills_its_process_is_a_silent_driver(watched):
    watch = watched(trace_of(**{GPU: ()}))
    watch.read([GPU])
    os.kill(watch.process.pid, signal.SIGKILL)
    with pytest.raises(DriverSilent, match="ended the process"):
        watch.read([GPU])
    assert watch.read([GPU])[0].uuid == GPU


def test_a_question_that_was_cut_off_leaves_no_answer_for_the_next(watched, monkeypatch):
    watch = watched(trace_of(**{GPU: (), OTHER: ()}))
    watch.read([GPU])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("bench.probes.driver_process.select.select", interrupted)
        watch.read([GPU])
    assert watch.read([OTHER])[0].uuid == OTHER


def test_what_is_no_answer_is_a_silent_driver():
    with pytest.raises(DriverSilent, match="something else"):
        DriverProcess("this").ask("to be read")  # python -m this prints a poem


def test_a_card_that_is_lost_is_gone_and_no_waiting_helps(watched):
    watch = watched(trace_of(**{GPU: ("lost 0",)}))
    with pytest.raises(GpuGone, match="lost"):
        watch.read([GPU])


def test_a_card_that_is_not_there_is_gone(watched):
    watch = watched(trace_of(**{GPU: ()}))
    with pytest.raises(GpuGone, match="Not Found"):
        watch.read(["GPU-elsewhere"])


def test_without_a_driver_there_is_nothing_to_wait_for():
    with closing(GpuWatch()) as watch, pytest.raises(GpuGone, match="NVML"):
        watch.read([GPU])


def test_the_facts_of_a_host_whose_driver_hangs_are_a_problem_told_in_time(monkeypatch):
    monkeypatch.setattr("bench.probes.driver_process.DriverProcess.ask", silent)
    host = read_gpus()
    assert host.gpus == () and host.problem == "the driver does not answer (not within 60 s)"

"""A launch waits for its GPU, says why, and is void where the wait has no end."""

import os
import subprocess
import sys

import pytest

from bench.launching import gates
from bench.launching.gates import GpuGate
from bench.probes.gpustate import GpuState
from tests.nvml import GPU, build, play, requires_gcc, trace_of

IDLE = GpuState(uuid="GPU-a", processes=(), utilisation_ratio=0.0, temperature_c=40.0)
READ = """
import sys
from bench.probes.gpustate import read_states
print(read_states([sys.argv[1]])[0])
"""


def changed(**facts):
    return GpuState(**{**{name: getattr(IDLE, name) for name in IDLE.__slots__}, **facts})


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(gates, "POLL_S", 0.0)
    monkeypatch.setattr(gates, "TELL_S", 0.0)


def waited(*states, gate=None, most_wait_s=60.0):
    """(reason, what was told) of a gate that sees these states one after the other, the last one for ever."""
    left, told = list(states), []

    def read(_):
        return [left.pop(0) if len(left) > 1 else left[0]]

    gate = gate or GpuGate(most_wait_s=most_wait_s, read=read)
    gate._read = read
    return gate.wait(["GPU-a"], lambda event: told.append(event.text)), told, gate


def test_an_idle_gpu_lets_the_launch_begin_at_once():
    reason, told, _ = waited(IDLE)
    assert (reason, told) == (None, [])
    assert GpuGate().wait([], print) is None, "an arm without a GPU asks nobody"


def test_a_process_on_the_gpu_is_waited_for_and_named():
    reason, told, _ = waited(changed(processes=((666, 9 * 2**30),)), changed(processes=((666, None),)), IDLE)
    assert reason is None
    assert told[0] == "waiting for the GPU: GPU-a is used by process 666 (9.0 GiB)"
    assert told[1].endswith("process 666")


def test_a_gpu_at_work_without_a_known_process_is_waited_for():
    reason, told, _ = waited(changed(utilisation_ratio=0.4), IDLE)
    assert reason is None and "at work (40% of the time)" in told[0]


def test_a_launch_begins_no_warmer_than_the_first_one():
    _, _, gate = waited(IDLE)
    reason, told, _ = waited(changed(temperature_c=61.0), changed(temperature_c=43.0), gate=gate)
    assert reason is None
    assert told == ["waiting for the GPU: GPU-a has 61 °C, at the first launch it had 40 °C"]
    assert waited(changed(temperature_c=30.0), gate=gate)[0] is None


def test_memory_that_nobody_admits_to_and_power_without_work_are_waited_for():
    _, _, gate = waited(changed(memory_used_bytes=2**30, power_w=70.0))
    reason, told, _ = waited(
        changed(memory_used_bytes=10 * 2**30), changed(power_w=120.0), changed(memory_used_bytes=2**30, power_w=80.0),
        gate=gate,
    )  # fmt: skip
    assert reason is None
    assert "9.0 GiB more in use" in told[0] and "takes 120 W, at the first launch it took 70 W" in told[1]


def test_a_card_that_is_held_back_is_waited_for():
    reason, told, _ = waited(changed(clocks_event_bits=0x41), changed(clocks_event_bits=0x1))
    assert (reason, told) == (None, ["waiting for the GPU: GPU-a is held back: heat (hardware)"])


@pytest.mark.parametrize(
    ("first", "now", "said"),
    [
        ({"power_limit_w": 700.0}, {"power_limit_w": 500.0}, "power limit 500 W, at the first launch 700 W"),
        ({"locked_sm_clock_hz": 1.98e9}, {"locked_sm_clock_hz": 1.2e9}, "SM clock of applications 1200000000 Hz"),
        ({"persistence": True}, {"persistence": False}, "persistence mode False"),
    ],
)
def test_a_card_that_was_set_otherwise_between_launches_is_no_place_for_one(first, now, said):
    _, _, gate = waited(changed(**first))
    gate._most_wait_s = 0.0
    reason, _, _ = waited(changed(**now), gate=gate)
    assert "was set otherwise" in reason and said in reason
    assert waited(changed(**first), gate=gate)[0] is None


def test_a_burn_in_launch_sets_the_band_anew_for_a_cold_card_is_never_met_again():
    gate = GpuGate(most_wait_s=0.0, read=lambda _: [changed(temperature_c=temperatures.pop(0))])
    temperatures = [31.0, 44.0, 46.0, 52.0]
    assert gate.wait(["GPU-a"], print, burn_in=True) is None
    assert gate.wait(["GPU-a"], print, burn_in=True) is None
    assert gate.wait(["GPU-a"], print) is None, "46 is within the band of 44"
    assert "has 52 °C, at the first launch it had 44 °C" in gate.wait(["GPU-a"], print)


def test_cards_that_take_turns_have_a_first_launch_each():
    gate = GpuGate(
        most_wait_s=0.0,
        read=lambda uuids: [changed(uuid=uuids[0], temperature_c={"cool": 40.0, "warm": 60.0}[uuids[0]])],
    )
    assert [gate.wait([uuid], print) for uuid in ("cool", "warm", "cool", "warm")] == [None] * 4


def test_what_a_card_does_not_say_holds_nothing_up():
    assert waited(GpuState(uuid="GPU-a"))[0] is None


def test_a_wait_without_end_gives_the_reason():
    reason, _, _ = waited(changed(processes=((666, None),)), most_wait_s=0.0)
    assert reason == "GPU-a is used by process 666; waited 0 s"


def test_a_driver_that_does_not_answer_is_a_reason():
    def gone(_):
        raise OSError("GPU is lost")

    assert "the driver does not answer (GPU is lost)" in GpuGate(most_wait_s=0.0, read=gone).wait(["GPU-a"], print)


@requires_gcc
def test_the_state_comes_from_the_real_bindings(tmp_path, monkeypatch):
    held = "process 4242 60000000000 -9 1e9"
    (tmp_path / "trace").write_text(
        trace_of(
            **{
                GPU: (
                    "steps power_w 0:70",
                    "steps locked_sm_clock_hz 0:1200000000",
                    held,
                    "unsupported temperature_c",
                    "failing persistence 0 1e9",
                )
            }
        )
    )
    play(monkeypatch, build(tmp_path), tmp_path / "trace", 0)
    command = [sys.executable, "-c", READ, GPU]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    assert "processes=((4242, 60000000000),)" in said and "utilisation_ratio=0.97" in said
    assert "temperature_c=None" in said and "clocks_event_bits=0" in said
    assert "power_w=300.0" in said and "memory_used_bytes=7" in said
    assert "power_limit_w=700.0" in said and "locked_sm_clock_hz=1200000000.0" in said and "persistence=None" in said, (
        "unknown errors hold nothing up"
    )

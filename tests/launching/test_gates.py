"""A launch waits for its GPU, says why, and is void where the wait has no end."""

import dataclasses
import re
import subprocess
import sys

import pytest

from bench.errors import LimitError
from bench.launching import gates
from bench.launching.gates import GpuGate
from bench.probes.driver_process import DriverSilent
from bench.probes.gpustate import GpuState
from bench.probes.gpuwatch import GpuGone

IDLE = GpuState(uuid="GPU-a", processes=(), utilisation_ratio=0.0, temperature_c=40.0)


def changed(**facts):
    return dataclasses.replace(IDLE, **facts)


class Clock:
    """Every look takes a second."""

    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


class Played:
    """A gate that sees states one after the other, the last one for ever."""

    def __init__(self, most_wait_s=300.0):
        self.told, self.found, self.left = [], [], []
        self.gate = GpuGate(most_wait_s=most_wait_s, read=self._read)

    def _read(self, uuids):
        state = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(state, Exception):
            raise state
        return [dataclasses.replace(state, uuid=uuid) for uuid in uuids]

    def wait(self, *states, uuid="GPU-a"):
        self.left = list(states)
        self.events = []
        reason = self.gate.wait(
            [uuid], lambda event: self.events.append(event.text), lambda *words: self.found.append(words)
        )
        self.told = [text for text in self.events if not text.startswith("asking")]
        return reason


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(gates, "time", clock)
    monkeypatch.setattr(gates, "TELL_S", 0.0)
    return clock


@pytest.fixture
def used():
    """A gate whose card has been used once, and is 40 °C warm between launches."""
    played = Played()
    assert played.wait(changed(temperature_c=31.0)) is None
    assert played.wait(IDLE) is None
    return played


def test_an_idle_gpu_lets_the_launch_begin_at_once(clock):
    played = Played()
    assert played.wait(IDLE) is None
    assert (played.events, clock.now_s) == (["asking the driver for the state of the GPU"], 0.0)
    assert played.gate.wait([], print, print) is None, "an arm without a GPU asks nobody"


def test_a_process_on_the_gpu_is_waited_for_and_named():
    played = Played()
    assert (
        played.wait(changed(processes=((666666666, 9 * 2**30),)), changed(processes=((666666666, None),)), IDLE) is None
    )
    assert played.told[0] == "waiting for the GPU: GPU-a is used by process 666666666 (9.0 GiB)"
    assert played.told[1].endswith("process 666666666")


def test_a_process_of_this_host_is_told_by_its_name():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        reason = Played(0.0).wait(changed(processes=((child.pid, 2**30),)))
        child.communicate(b"\n")
    assert re.fullmatch(rf"GPU-a is used by process {child.pid} python\S* \(1\.0 GiB\); waited 0 s", reason)


def test_a_gpu_at_work_without_a_known_process_is_waited_for():
    played = Played()
    assert played.wait(changed(utilisation_ratio=0.4), IDLE) is None
    assert "at work (40% of the time)" in played.told[0]


def test_a_card_that_stood_cold_is_no_measure_and_is_let_settle_after_its_first_launch(clock):
    played = Played()
    assert played.wait(changed(temperature_c=28.0)) is None
    began_s = clock.now_s
    cooling = [changed(temperature_c=60.0 - 3 * second) for second in range(6)]
    assert played.wait(*cooling, changed(temperature_c=45.0)) is None
    assert "still cooling down or warming up (60 °C)" in played.told[0]
    assert 10 <= clock.now_s - began_s <= 20, "until no degree has changed for ten seconds"
    assert played.wait(changed(temperature_c=48.0)) is None, "within the band of 45, not of 28"
    assert played.wait(*[changed(temperature_c=float(at)) for at in range(54, 47, -1)]) is None
    assert played.told[0] == "waiting for the GPU: GPU-a has 54 °C, before it had 45 °C"


def test_a_launch_begins_no_warmer_than_the_others(used):
    assert used.wait(changed(temperature_c=61.0), changed(temperature_c=43.0)) is None
    assert used.told == ["waiting for the GPU: GPU-a has 61 °C, before it had 40 °C"]
    assert used.wait(changed(temperature_c=30.0)) is None
    assert used.found == []


def test_a_card_that_cools_too_slowly_makes_the_launch_void(used):
    cooling = [changed(temperature_c=90.0 - second / 8) for second in range(400)]
    assert "°C, before it had 40 °C; waited 300 s" in used.wait(*cooling)


def test_a_room_that_grew_warmer_is_told_and_ends_no_run(used):
    assert used.wait(changed(temperature_c=46.0)) is None
    ((name, text),) = used.found
    assert name == "gpu-not-as-before" and "46 °C, before it had 40 °C; it stayed so for 300 s" in text
    assert used.wait(changed(temperature_c=48.0)) is None
    assert len(used.found) == 1, "46 is the measure now"


def test_memory_that_nobody_admits_to_and_power_without_work_are_waited_for(used):
    used.wait(changed(memory_used_bytes=2**30, power_w=70.0))
    played = Played()
    for _ in range(2):
        played.wait(changed(memory_used_bytes=2**30, power_w=70.0))
    more_memory, more_power = changed(memory_used_bytes=10 * 2**30), changed(power_w=120.0)
    assert played.wait(more_memory, more_power, changed(memory_used_bytes=2**30, power_w=80.0)) is None
    assert "9.0 GiB more in use" in played.told[0] and "takes 120 W, before it took 70 W" in played.told[1]


def test_memory_held_for_good_is_void_where_processes_are_not_known_and_told_where_there_are_none():
    hidden, kept = Played(), Played()
    for played, processes in ((hidden, None), (kept, ())):
        played.wait(changed(memory_used_bytes=2**30, processes=processes))
        played.wait(changed(memory_used_bytes=2**30, processes=processes))
    assert "more in use than before; waited" in hidden.wait(changed(memory_used_bytes=2**33, processes=None))
    assert kept.wait(changed(memory_used_bytes=2**33, processes=())) is None
    assert "7.0 GiB more in use" in kept.found[0][1]


def test_the_idle_steps_of_a_desktop_card_are_no_work():
    played = Played()
    played.wait(changed(power_w=8.0))
    played.wait(changed(power_w=8.0))
    played.told.clear()
    assert played.wait(changed(power_w=30.0)) is None and played.told == []


def test_a_card_that_is_held_back_is_waited_for():
    played = Played()
    assert played.wait(changed(clocks_event_bits=0x41), changed(clocks_event_bits=0x1)) is None
    assert played.told == ["waiting for the GPU: GPU-a is held back: heat (hardware)"]


@pytest.mark.parametrize(
    ("first", "now", "said"),
    [
        ({"power_limit_w": 700.0}, {"power_limit_w": 500.0}, "power limit 500 W, before 700 W"),
        (
            {"application_sm_clock_hz": 1.98e9},
            {"application_sm_clock_hz": 1.2e9},
            "SM clock of applications 1200000000",
        ),
        ({"persistence": True}, {"persistence": False}, "persistence mode False"),
    ],
)
def test_a_card_that_was_set_otherwise_between_launches_is_no_place_for_one(first, now, said):
    played = Played()
    assert played.wait(changed(**first)) is None
    reason = played.wait(changed(**now))
    assert "was set otherwise" in reason and said in reason
    assert played.wait(changed(**first)) is None


def test_cards_that_take_turns_have_a_measure_each():
    played = Played(most_wait_s=20.0)
    warmth = {"cool": 40.0, "warm": 60.0}
    for _ in range(3):
        assert [played.wait(changed(temperature_c=warm_c), uuid=uuid) for uuid, warm_c in warmth.items()] == [
            None,
            None,
        ]
    assert played.found == []


def test_what_a_card_does_not_say_holds_nothing_up(clock):
    played = Played()
    for _ in range(3):
        assert played.wait(GpuState(uuid="GPU-a")) is None
    assert clock.now_s == 0.0


def test_a_wait_without_end_gives_the_reason():
    assert Played(0.0).wait(changed(utilisation_ratio=0.5)) == "GPU-a is at work (50% of the time); waited 0 s"


def test_a_driver_that_does_not_answer_is_a_reason():
    played = Played()
    assert played.wait(DriverSilent("not within 60 s"), IDLE) is None
    assert "the driver does not answer (not within 60 s)" in played.told[0]
    assert "does not answer" in Played(0.0).wait(DriverSilent("x"))


def test_a_gpu_that_is_gone_ends_the_run_at_once_with_the_repair(clock):
    with pytest.raises(LimitError, match=r"GPU-a: GPU is lost\n.*dmesg.*--resume"):
        Played().wait(GpuGone("GPU is lost"))
    assert clock.now_s == 0.0


def test_a_launch_that_its_card_spoilt_is_repeated_but_not_for_ever(used):
    def may_repeat(cause, is_last=False, uuids=("GPU-a",)):
        return used.gate.may_repeat(uuids, cause, is_last=is_last)

    assert may_repeat("heat")
    assert not may_repeat("heat", is_last=True), "taken as it is the second time"
    assert not may_repeat("heat"), "and other launches the first time"
    assert may_repeat("another process"), "what is not the card's own is another matter"
    assert may_repeat("heat", uuids=("GPU-b",))

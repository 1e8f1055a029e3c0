"""What NVML says of this machine, whatever it is, and of cards that a library of the tests plays."""

import json
import subprocess
import sys

import pytest

from bench.probes.gpufacts import read_gpus, sysfs_bus_id
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

ASK = """
import json
from bench.probes.hostfacts import _gpu_facts
from bench.probes.gpufacts import read_gpus
print(json.dumps(_gpu_facts(read_gpus())))
"""


@pytest.fixture
def facts_of(tmp_path, monkeypatch):
    """`facts_of(trace)`: what run.json would hold of these cards. In a process of its own, which loads the library."""

    def ask(trace):
        (tmp_path / "trace").write_text(trace)
        play(monkeypatch, build(tmp_path), tmp_path / "trace", 0)
        done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["gpus"]

    return ask


def test_a_machine_without_gpus_says_why_and_one_with_gpus_names_them():
    host = read_gpus()
    if host.problem is None:
        assert host.driver
        assert all(gpu.name and gpu.uuid for gpu in host.gpus)
    else:
        assert host.gpus == ()
        assert host.driver is None


@requires_gcc
def test_the_width_and_the_highest_clock_of_the_memory_are_the_boards_own(facts_of):
    held_down = ("steps memory_clock_hz 0:1593000000", "steps max_memory_clock_hz 0:3201000000")
    wide, plain = facts_of(trace_of(**{GPU: (*held_down, "steps memory_bus_width_bits 0:6144"), OTHER: ()}))
    assert (wide["memory_bus_width_bits"], wide["max_memory_clock_hz"]) == (6144, 3.201e9)
    assert (plain["memory_bus_width_bits"], plain["max_memory_clock_hz"]) == (5120, 2.619e9)


@requires_gcc
@pytest.mark.parametrize("statement", ["unsupported {}", "steps {} 0:0"])
@pytest.mark.parametrize("fact", ["memory_bus_width_bits", "max_memory_clock_hz"])
def test_a_card_that_does_not_say_its_memorys_width_or_clock_has_none(facts_of, fact, statement):
    (gpu,) = facts_of(trace_of(**{GPU: (statement.format(fact),)}))
    assert gpu[fact] is None
    assert (gpu["uuid"], gpu["power_limit_w"]) == (GPU, 700.0)


@pytest.mark.parametrize(
    ("nvml", "sysfs"),
    [("00000000:0F:00.0", "0000:0f:00.0"), ("00010000:00:1E.0", "10000:00:1e.0"), ("0000:07:00.0", "0000:07:00.0")],
)
def test_a_bus_id_becomes_the_name_of_its_folder(nvml, sysfs):
    assert sysfs_bus_id(nvml) == sysfs

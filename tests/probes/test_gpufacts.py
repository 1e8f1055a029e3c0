"""What NVML says of this machine, whatever it is, and of cards that a library of the tests plays."""

import json
import subprocess
import sys

import pytest

from bench.probes.gpufacts import GpuFacts, GpuHost, read_gpus, sysfs_bus_id
from bench.runtimes.placement import found_gpus
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

ASK = """
import json
from bench.probes.hostfacts import _gpu_facts
from bench.probes.gpufacts import read_gpus
host = read_gpus()
print(json.dumps({**_gpu_facts(host), "unreadable": host.unreadable}))
"""


@pytest.fixture
def host_of(tmp_path, monkeypatch):
    """`host_of(trace)`: what is known of this host's cards. In a process of its own, which loads the library."""

    def ask(trace):
        (tmp_path / "trace").write_text(trace)
        play(monkeypatch, build(tmp_path), tmp_path / "trace", 0)
        done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def facts_of(host_of):
    """`facts_of(trace)`: what run.json would hold of these cards."""
    return lambda trace: host_of(trace)["gpus"]


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


@requires_gcc
def test_a_lost_gpu_is_named_and_the_others_are_there(host_of):
    host = host_of(trace_of(**{GPU: (), OTHER: ("lost 0",)}))
    assert [gpu["uuid"] for gpu in host["gpus"]] == [GPU]
    assert host["unreadable"] == ["GPU 1: GPU is lost"]
    assert host["gpu_driver"] == "580.126-stub"


@requires_gcc
def test_a_host_whose_only_gpu_is_lost_has_none_and_says_why(host_of):
    host = host_of(trace_of(**{GPU: ("lost 0",)}))
    assert (host["gpus"], host["unreadable"]) == ([], ["GPU 0: GPU is lost"])


def test_what_a_person_reads_of_a_host_names_the_gpus_that_cannot_be_read():
    good = GpuFacts(index=0, name="NVIDIA L4", uuid=GPU)
    assert found_gpus(GpuHost(gpus=(good,), unreadable=("GPU 1: GPU is lost",))) == "1 × NVIDIA L4 (GPU 1: GPU is lost)"
    assert found_gpus(GpuHost(unreadable=("GPU 0: GPU is lost",))) == "none (GPU 0: GPU is lost)"


@requires_gcc
@pytest.mark.parametrize(("statement", "ecc"), [("steps ecc 0:1", True), ("steps ecc 0:0", False), ("", None)])
def test_whether_memory_errors_are_corrected_is_a_fact_where_the_card_says(facts_of, statement, ecc):
    (gpu,) = facts_of(trace_of(**{GPU: (statement,)}))
    assert gpu["ecc"] is ecc


@pytest.mark.parametrize(
    ("nvml", "sysfs"),
    [("00000000:0F:00.0", "0000:0f:00.0"), ("00010000:00:1E.0", "10000:00:1e.0"), ("0000:07:00.0", "0000:07:00.0")],
)
def test_a_bus_id_becomes_the_name_of_its_folder(nvml, sysfs):
    assert sysfs_bus_id(nvml) == sysfs

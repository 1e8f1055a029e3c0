"""What /proc says about real processes."""

import os
import subprocess
import sys
import time

import pytest

from bench.probes.host import HostSampler, ProcessGroup, parents, pss_bytes, read_process, tree
from bench.probes.hostfacts import arm_versions, differences, host_facts, project_commit, versions

WITH_CHILD = """
import subprocess, sys
quiet = "import sys; block = bytearray(50_000_000); print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", quiet], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
while True: pass
"""


@pytest.fixture
def family():
    """A busy process and its quiet child that holds 50 MB."""
    parent = subprocess.Popen(
        [sys.executable, "-c", WITH_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield parent.pid, int(parent.stdout.readline())
    parent.kill()
    parent.communicate()


def rows_of(group, pids):
    return {metric: value for _, _, _, metric, value in group.sample(pids)}


def test_tree_holds_descendants_and_leaves_out_what_is_named(family):
    parent, child = family
    assert tree({parent}, parents()) == {parent, child}
    assert tree({os.getpid()}, parents(), without={parent}).isdisjoint({parent, child})
    assert tree({parent}, {}) == frozenset()


def test_group_sums_its_processes_and_rates_need_two_samples(family):
    group = ProcessGroup("server", with_pss=True)
    first = rows_of(group, family)
    assert set(first) == {"rss_bytes", "pss_bytes"}
    assert first["rss_bytes"] > 50_000_000
    assert 50_000_000 < first["pss_bytes"] < first["rss_bytes"]
    time.sleep(0.2)
    second = rows_of(group, family)
    assert {"cpu_cores", "page_faults_minor_per_s", "page_faults_major_per_s"} <= set(second)
    assert second["cpu_cores"] > 0
    assert "pss_bytes" not in second, "it is dear, so it does not come with every sample"


def test_ended_process_is_no_sample():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert read_process(done.pid) is None
    assert pss_bytes(done.pid) is None
    assert list(ProcessGroup("server").sample([done.pid])) == []


def test_sampler_keeps_server_and_client_apart(family):
    parent, child = family
    entities = {(entity, metric) for _, _, entity, metric, _ in HostSampler([parent], os.getpid()).sample()}
    assert {("host", "cpu_ratio"), ("host", "memory_available_bytes"), ("server", "rss_bytes")} <= entities
    member = HostSampler([child], parent)._membership()
    assert member["server"] == {child}
    assert member["client"] == {parent}


def test_each_process_of_the_server_is_named_once(family):
    parent, child = family
    sampler = HostSampler([parent], os.getpid())
    named = [
        {int(value) for _, _, entity, metric, value in sampler.sample() if (entity, metric) == ("server", "pid")}
        for _ in range(2)
    ]
    assert named == [{parent, child}, set()]


def test_host_facts_are_those_of_this_machine():
    facts = host_facts()
    assert facts["cpu_cores"] == os.cpu_count()
    assert facts["memory_bytes"] > 0
    assert facts["kernel"] == os.uname().release
    assert {"nimbench", "python", "locust", "pyarrow"} <= set(versions())


def test_versions_are_asked_from_the_arm_s_own_interpreter():
    found = dict(arm_versions(sys.executable, ("xllamacpp", "no_such_module")))
    assert found["xllamacpp"] == versions()["xllamacpp"]
    assert "python" in found
    assert arm_versions("/no/such/python", ("xllamacpp",)) == ()


def test_commit_is_known_in_a_checkout():
    assert set(project_commit()) <= {"git_commit", "git_dirty"}


def test_differences_state_both_values():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("a", "b")) == ["b: was 2, is 3"]


def test_a_busy_process_of_the_server_has_a_row_of_its_own_with_its_name():
    command = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command) as busy, subprocess.Popen(["sleep", "60"]) as asleep:
        group = ProcessGroup("server", apart=True)
        list(group.sample((busy.pid, asleep.pid)))
        time.sleep(0.5)
        rows = {
            entity: value
            for _, _, entity, metric, value in group.sample((busy.pid, asleep.pid))
            if metric == "cpu_cores"
        }
        busy.kill()
        asleep.kill()
    (name,) = (entity for entity in rows if entity != "server")
    assert name.startswith(f"server/{busy.pid} python")
    assert rows[name] == rows["server"] > 0.05

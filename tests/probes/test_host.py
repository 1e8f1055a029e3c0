"""What /proc says about real processes."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time

import pytest

from bench.clock import now_ns
from bench.probes.host import HostSampler, ProcessGroup
from bench.probes.hostfacts import arm_versions, differences, host_facts, project_commit, versions
from bench.probes.processes import BusiestThreads, parents, pss_bytes, read_process, thread_cpu_s, tree

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
    assert {("host", "memory_available_bytes"), ("server", "rss_bytes")} <= entities
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


SUPERVISOR = """
import ctypes, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, as the supervisor of an arm
root = "import subprocess, time; subprocess.run(['sh', '-c', 'sleep 60 >&2 & echo $!']); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", root], stdout=subprocess.PIPE)
print(child.pid, int(child.stdout.readline()), flush=True)
sys.stdin.read()
"""


def test_a_process_of_the_server_that_left_its_parent_is_still_the_server_s():
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        root, orphan = map(int, keeper.stdout.readline().split())
        named = {int(row[4]) for row in HostSampler([root], os.getpid()).sample() if row[3] == "pid"}
        for pid in (root, orphan):
            os.kill(pid, signal.SIGKILL)
        keeper.stdin.close()
    assert named == {root, orphan}


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


def test_a_fact_that_an_older_version_did_not_know_is_no_difference():
    before = {"gpus": [{"uuid": "GPU-a", "mig": False}]}
    assert differences(before, {"gpus": [{"uuid": "GPU-a", "mig": False, "ecc": True}]}, ("gpus",)) == []
    assert len(differences(before, {"gpus": [{"uuid": "GPU-a", "mig": True, "ecc": True}]}, ("gpus",))) == 1
    assert len(differences(before, {"gpus": []}, ("gpus",))) == 1


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
    assert name == f"server/{busy.pid} python -c"
    assert rows[name] == rows["server"] > 0.05


def test_the_host_s_share_begins_with_the_second_sample_of_the_thread_that_samples(family):
    sampler, shares = HostSampler([family[0]], os.getpid()), []

    def sample():
        for _ in range(2):
            shares.append([value for *_, metric, value in sampler.sample() if metric == "cpu_ratio"])
            time.sleep(0.3)

    thread = threading.Thread(target=sample)  # as the sampler does: made in one thread, asked in another
    thread.start()
    thread.join()
    first, (second,) = shares
    assert first == [] and second > 0.1, "a process of the fixture keeps a core busy"


TWO_THREADS = """
import threading, time
def half():
    while True:
        began = time.thread_time()
        while time.thread_time() - began < 0.02: pass
        time.sleep(0.03)
threading.Thread(target=half).start()
half()
"""


def test_two_threads_that_add_up_to_a_core_are_told_from_one_that_fills_it():
    """Each row counts since the look before it, so the busiest of two halves is a half."""
    with subprocess.Popen([sys.executable, "-c", TWO_THREADS]) as halves:
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as full:
            group, rows, end = ProcessGroup("server", apart=True), [], time.monotonic() + 3
            while time.monotonic() < end:
                rows += group.sample((halves.pid, full.pid))
                time.sleep(0.25)
            found = {
                (pid, name): statistics.fmean(v for *_, entity, metric, v in rows if (metric, entity) == (name, whole))
                for pid in (halves.pid, full.pid)
                for name in ("cpu_cores", "busiest_thread_cores")
                if (whole := f"server/{pid} python -c")
            }
            full.kill()
        halves.kill()
    assert found[full.pid, "busiest_thread_cores"] == pytest.approx(found[full.pid, "cpu_cores"], abs=0.15)
    assert found[halves.pid, "busiest_thread_cores"] < 0.75 * found[halves.pid, "cpu_cores"]


def test_threads_are_looked_at_once_a_second_and_no_oftener():
    threads = BusiestThreads()
    assert list(threads.sample((os.getpid(),))) == [], "the first look only sets the mark"
    assert list(threads.sample((os.getpid(),))) == [], "not due yet"
    assert threads._due_ns - now_ns() > 0.5e9
    threads._due_ns = 0
    ((_, pid, cores),) = threads.sample((os.getpid(),))
    assert pid == os.getpid() and cores >= 0


def test_threads_of_a_process_that_has_ended_are_none():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert thread_cpu_s(done.pid) == {}
    assert os.getpid() in thread_cpu_s(os.getpid())

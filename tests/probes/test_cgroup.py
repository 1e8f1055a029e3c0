"""Control groups: those of this kernel on a real container, and version 2 on a folder that looks like one."""

import os
import time
from pathlib import Path

import pytest

from bench.probes.cgroup import group_of
from bench.probes.host import HostSampler
from tests.dockerside import requires_docker

V2 = {
    "cgroup.controllers": "cpu io memory\n", "memory.current": "734003200\n",
    "memory.stat": "anon 1\nfile 524288000\npgfault 9000\npgmajfault 12\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nnr_periods 40\nnr_throttled 3\nthrottled_usec 40000\n",
    "io.stat": "8:0 rbytes=1000 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n259:0 rbytes=500 wbytes=1\n",
}  # fmt: skip


def unified(folder: Path, listing: str = "0::/system.slice/docker-x.scope\n") -> dict:
    group = folder / "mount" / "system.slice" / "docker-x.scope"
    group.mkdir(parents=True)
    for name, text in V2.items():
        (group / name).write_text(text)
    for pid, text in (("77", listing), ("self", "0::/user.slice\n")):
        (folder / "proc" / pid).mkdir(parents=True)
        (folder / "proc" / pid / "cgroup").write_text(text)
    return {"mount": folder / "mount", "proc": folder / "proc", "blocks": folder / "blocks"}


def test_version_2_has_every_value_in_our_units(tmp_path):
    assert dict(group_of(77, **unified(tmp_path)).values()) == {
        "memory_bytes": 734003200, "page_cache_bytes": 524288000, "page_faults": 9000, "page_faults_major": 12,
        "cpu_s": 2.5, "cpu_periods": 40, "cpu_throttled_periods": 3, "cpu_throttled_s": pytest.approx(0.04),
        "disk_read_bytes": 1500, "disk_written_bytes": 21,
    }  # fmt: skip


def test_a_volume_does_not_count_what_its_disk_counts_already(tmp_path):
    places = unified(tmp_path)
    (places["blocks"] / "259:0" / "slaves" / "sda").mkdir(parents=True)
    assert dict(group_of(77, **places).values())["disk_read_bytes"] == 1000


V1 = {
    "memory/docker/x/memory.usage_in_bytes": "1000\n", "blkio/docker/x/blkio.throttle.io_service_bytes":
    "8:0 Read 100\n8:0 Write 7\n252:0 Read 100\n252:0 Write 7\nTotal 214\n", "cpuacct/docker/x/cpuacct.usage": "5\n",
    "memory/docker/x/memory.stat": "cache 1\ntotal_cache 600\ntotal_pgfault 90\ntotal_pgmajfault 2\n",
    "cpu/docker/x/cpu.stat": "nr_periods 50\nnr_throttled 5\nthrottled_time 2000000000\n",
}  # fmt: skip


def test_version_1_has_the_same_values(tmp_path):
    for name, text in V1.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    controllers = ("memory", "blkio", "cpuacct", "cpu")
    for pid, path in (("77", "/docker/x"), ("self", "/")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_text("".join(f"{n}:{name}:{path}\n" for n, name in enumerate(controllers, 1)))
    (tmp_path / "blocks" / "252:0" / "slaves" / "sda").mkdir(parents=True)
    group = group_of(77, mount=tmp_path, proc=tmp_path, blocks=tmp_path / "blocks")
    assert dict(group.values()) == {
        "memory_bytes": 1000, "page_cache_bytes": 600, "page_faults": 90, "page_faults_major": 2, "cpu_s": 5e-9,
        "cpu_periods": 50, "cpu_throttled_periods": 5, "cpu_throttled_s": 2, "disk_read_bytes": 100,
        "disk_written_bytes": 7,
    }  # fmt: skip


def test_a_group_that_is_gone_says_nothing_and_raises_nothing(tmp_path):
    places = unified(tmp_path)
    group = group_of(77, **places)
    for name in V2:
        (places["mount"] / "system.slice" / "docker-x.scope" / name).unlink()
    assert dict(group.values()) == {}


def test_a_process_in_our_own_group_or_in_none_has_no_container(tmp_path):
    assert group_of(77, **unified(tmp_path, "0::/user.slice\n")) is None
    assert group_of(77, mount=tmp_path, proc=tmp_path) is None
    assert group_of(os.getpid()) is None


@requires_docker
@pytest.mark.slow
def test_a_real_container_has_memory_time_and_the_time_that_its_quota_took(docker_engine, tiny_image):
    loop = ["sh", "-c", "while :; do :; done"]
    container = docker_engine.containers.run(tiny_image, loop, detach=True, nano_cpus=200_000_000, mem_limit="64m")
    try:
        container.reload()
        sampler = HostSampler((container.attrs["State"]["Pid"],), os.getpid())
        time.sleep(1)
        rows = {metric: value for _, _, entity, metric, value in sampler.sample() if entity == "container"}
    finally:
        container.remove(force=True)
    assert 0 < rows["memory_bytes"] < 64 * 2**20
    assert 0 < rows["cpu_s"] < 1 and rows["cpu_throttled_s"] > 0.1
    assert 0 < rows["cpu_throttled_periods"] <= rows["cpu_periods"]
    assert rows["page_faults"] > 0 and "network_received_bytes" in rows

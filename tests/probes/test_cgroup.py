"""Control groups: those of this kernel on a real container, and version 2 on a folder that looks like one."""

import os
import time
from pathlib import Path

import pytest

from bench.probes.cgroup import group_of
from bench.probes.host import HostSampler
from tests.dockerside import requires_docker

V2 = {
    "cgroup.controllers": "cpu io memory\n", "memory.current": "734003200\n", "memory.stat": "anon 1\nfile 524288000\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 40000\n",
    "io.stat": "252:0 rbytes=1000 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n253:0 rbytes=500 wbytes=1\n",
}  # fmt: skip


def unified(folder: Path, listing: str = "0::/system.slice/docker-x.scope\n") -> dict:
    group = folder / "mount" / "system.slice" / "docker-x.scope"
    group.mkdir(parents=True)
    for name, text in V2.items():
        (group / name).write_text(text)
    for pid, text in (("77", listing), ("self", "0::/user.slice\n")):
        (folder / "proc" / pid).mkdir(parents=True)
        (folder / "proc" / pid / "cgroup").write_text(text)
    return {"mount": folder / "mount", "proc": folder / "proc"}


def test_version_2_has_every_value_in_our_units(tmp_path):
    assert dict(group_of(77, **unified(tmp_path)).values()) == {
        "memory_bytes": 734003200, "page_cache_bytes": 524288000, "cpu_s": 2.5, "cpu_throttled_s": pytest.approx(0.04),
        "disk_read_bytes": 1500, "disk_written_bytes": 21,
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

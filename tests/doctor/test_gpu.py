"""What the doctor says of GPUs, driver, container toolkit and processors."""

from __future__ import annotations

import pytest

from bench.doctor import gpu
from bench.probes.gpufacts import GpuFacts, GpuHost
from tests.doctor.contained import GPU_HOST, H100, contained

RUNTIMES = {"docker_runtimes": ["io.containerd.runc.v2", "nvidia", "runc"]}
CTK = "NVIDIA Container Toolkit CLI version {}\ncommit: f202b80a9b9d0db00d9b1d73c0128c8962c55f4d"


@pytest.fixture
def scenario(tmp_path):
    return contained(tmp_path, "image: 'x:1'", GPU_HOST)


@pytest.fixture
def host(monkeypatch):
    """A function that says what NVML would."""

    def become(*names, driver="580.95.05", **facts):
        rows = tuple(GpuFacts(index=i, name=name, uuid=f"GPU-{i}", **facts) for i, name in enumerate(names))
        found = GpuHost(gpus=rows, driver=driver, cuda_driver="13.0")
        monkeypatch.setattr(gpu, "read_gpus", lambda: found)

    return become


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A function that makes programs of these names and outputs the only ones beside sh and cat."""

    def put(**outputs):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, output in outputs.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{output}\nEND\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return put


def checks(scenario, engine=None):
    return {found.name: found for found in gpu.check_gpus(scenario, engine, in_containers=True)}


def test_a_host_with_the_gpu_the_driver_and_the_toolkit_has_all(scenario, host, programs):
    host(H100)
    programs(nvidia_ctk=CTK.format("1.17.8"))
    found = checks(scenario, RUNTIMES)
    assert all(check.ok for check in found.values())
    assert found["GPU"].found == f"{H100} GPU-0"
    assert found["NVIDIA driver"].found == "580.95.05"
    assert found["NVIDIA container toolkit"].found == "version 1.17.8 (Docker's runtime nvidia)"


def test_another_gpu_is_named_beside_the_wanted_one(scenario, host):
    host("NVIDIA H100 PCIe", "NVIDIA H100 PCIe")
    found = checks(scenario)["GPU"]
    assert (found.ok, found.needed) == (False, True)
    assert found.found == "2 × NVIDIA H100 PCIe"
    assert found.expected.startswith(f"1 × {H100}")


def test_a_driver_is_old_by_its_numbers_and_not_by_its_letters(scenario, host):
    for driver, ok in (("575.57.08", False), ("580.65.06", True), ("1000.1", True)):
        host(H100, driver=driver)
        assert checks(scenario)["NVIDIA driver"].ok is ok


@pytest.mark.parametrize(("version", "ok"), [("1.9.0", False), ("1.14.0", True), ("1.17.8", True)])
def test_the_toolkit_is_held_against_its_least_version(scenario, host, programs, version, ok):
    host(H100)
    programs(nvidia_ctk=CTK.format(version))
    assert checks(scenario, RUNTIMES)["NVIDIA container toolkit"].ok is ok


def test_without_the_toolkit_no_container_gets_a_gpu(scenario, host, programs):
    host(H100)
    programs()
    found = checks(scenario, {"docker_runtimes": ["runc"]})["NVIDIA container toolkit"]
    assert (found.ok, found.needed) == (False, True)
    assert "nvidia-ctk runtime configure --runtime=docker" in found.repair


def test_a_hook_on_the_path_is_enough_and_an_unknown_version_stops_nobody(scenario, host, programs):
    host(H100)
    programs(nvidia_container_runtime_hook="")
    found = checks(scenario, {"docker_runtimes": ["runc"]})["NVIDIA container toolkit"]
    assert (found.ok, found.needed) == (False, False)
    assert found.found == "version not known (nvidia-container-runtime-hook)"


def test_a_gpu_whose_driver_is_unloaded_between_starts_is_noted(scenario, host):
    host(H100, persistence=False)
    found = checks(scenario)["GPU 0: persistence mode"]
    assert (found.ok, found.needed) == (False, False)
    assert found.repair == "sudo nvidia-smi -i 0 -pm 1"


def test_processors_beside_a_gpu_that_is_not_there_are_not_held_against_the_host(tmp_path, host):
    placed = GPU_HOST.replace("}\nhost: {", "}\nhost: {server_cpus: gpu-numa-node, client_cpus: rest, ")
    host("NVIDIA H100 PCIe")
    found = checks(contained(tmp_path, "image: 'x:1'", placed))["processors"]
    assert (found.ok, found.needed) == (False, False)
    assert found.found == "not known without the GPU"


def test_processors_that_cannot_be_divided_are_needed(tmp_path, host):
    placed = GPU_HOST.replace("}\nhost: {", "}\nhost: {server_cpus: gpu-numa-node, client_cpus: rest, ")
    host(H100)  # its bus is nowhere in this machine's sysfs: every processor is as near
    found = checks(contained(tmp_path, "image: 'x:1'", placed))["processors"]
    assert (found.ok, found.needed) == (False, True)
    assert found.found.startswith("no processor is left for the load")

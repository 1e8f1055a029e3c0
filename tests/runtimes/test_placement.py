"""Which GPUs and processors a run takes, on hosts laid out in a folder as the kernel shows them."""

from dataclasses import replace

import pytest

from bench.container import Gpu, HostNeeds, Placement, Prepared
from bench.errors import PrerequisiteError
from bench.probes.gpufacts import GpuFacts, GpuHost
from bench.runtimes.placement import at_block, cpu_list, online_cpus, parse_cpus, place
from bench.scenario import load_scenario
from tests.scenario.sample import write

H100 = "NVIDIA H100 80GB HBM3"
PCIE = "NVIDIA H100 PCIe"


def gpu(index, name=H100, mig=None, bus=None):
    return GpuFacts(index=index, name=name, uuid=f"GPU-{index}", mig=mig, pci_bus_id=bus or f"0000:{index:02x}:00.0")


def host(*gpus):
    return lambda: GpuHost(gpus=gpus, driver="580.95.05")


@pytest.fixture
def scenario(tmp_path):
    return load_scenario(str(write(tmp_path / "s")))


@pytest.fixture
def sysfs(tmp_path):
    """Two sockets of eight processors; GPU 0 at the first, GPU 1 at the second, GPU 2 nowhere."""
    root = tmp_path / "sys"
    cpu = root / "devices" / "system" / "cpu"
    cpu.mkdir(parents=True)
    (cpu / "online").write_text("0-15\n")
    for node, cpus in enumerate(("0-3,8-11", "4-7,12-15")):
        folder = root / "devices" / "system" / "node" / f"node{node}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cpus}\n")
    for index, node in enumerate((0, 1, -1)):
        device = root / "bus" / "pci" / "devices" / f"0000:{index:02x}:00.0"
        device.mkdir(parents=True)
        (device / "numa_node").write_text(f"{node}\n")
    return root


def asking(scenario, *, name=H100, count=1, server=None, client=None):
    needs = HostNeeds(server_cpus=server, client_cpus=client)
    return replace(scenario, gpu=Gpu(name=name, count=count), host=needs)


def test_a_scenario_that_asks_for_nothing_is_placed_anywhere(scenario, sysfs):
    assert place(scenario, sysfs=sysfs, read=host()) == (Placement(),)


def test_gpus_are_chosen_by_their_exact_name(scenario, sysfs):
    (placed,) = place(asking(scenario, count=2), sysfs=sysfs, read=host(gpu(0, PCIE), gpu(1), gpu(2)))
    assert placed.gpus == ("GPU-1", "GPU-2")


def test_gpus_that_rotate_are_taken_group_after_group_each_with_its_own_processors(scenario, sysfs):
    wanted = asking(scenario, server="gpu-numa-node", client="rest")
    wanted = replace(wanted, gpu=replace(wanted.gpu, rotate=True))
    places = place(wanted, sysfs=sysfs, read=host(gpu(0), gpu(1)))
    assert [(one.gpus, one.gpu_indices) for one in places] == [(("GPU-0",), (0,)), (("GPU-1",), (1,))]
    assert [one.server_cpus for one in places] == ["0-3,8-11", "4-7,12-15"]
    assert [one.client_cpus for one in places] == ["4-7,12-15", "0-3,8-11"]
    prepared = Prepared(placement=places[0], places=places)
    assert [at_block(prepared, block).placement.gpus[0] for block in range(4)] == ["GPU-0", "GPU-1", "GPU-0", "GPU-1"]
    assert at_block(Prepared(placement=places[0]), 1).placement == places[0], "without rotation every block is alike"


def test_a_group_that_is_not_whole_takes_no_turn(scenario, sysfs):
    wanted = asking(scenario, count=2)
    wanted = replace(wanted, gpu=replace(wanted.gpu, rotate=True))
    assert len(place(wanted, sysfs=sysfs, read=host(gpu(0), gpu(1), gpu(2)))) == 1


def test_another_gpu_of_the_family_does_not_do_and_is_named(scenario, sysfs):
    with pytest.raises(PrerequisiteError) as caught:
        place(asking(scenario, count=2), sysfs=sysfs, read=host(gpu(0, PCIE), gpu(1, PCIE), gpu(2)))
    assert caught.value.expected == f"2 × {H100}"
    assert caught.value.got == f"2 × {PCIE}, 1 × {H100}"


def test_a_host_without_a_driver_says_why(scenario, sysfs):
    with pytest.raises(PrerequisiteError) as caught:
        place(asking(scenario), sysfs=sysfs, read=lambda: GpuHost(problem="NVML Shared Library Not Found"))
    assert caught.value.got == "none (NVML Shared Library Not Found)"


def test_a_gpu_cut_into_instances_is_no_whole_one(scenario, sysfs):
    with pytest.raises(PrerequisiteError) as caught:
        place(asking(scenario), sysfs=sysfs, read=host(gpu(0, mig=True)))
    assert "MIG on" in (caught.value.got or "")
    assert "nvidia-smi -i 0 -mig 0" in (caught.value.repair or "")


def test_the_server_runs_beside_its_gpu_and_the_load_on_the_rest(scenario, sysfs):
    wanted = asking(scenario, server="gpu-numa-node", client="rest")
    (placed,) = place(wanted, sysfs=sysfs, read=host(gpu(0, PCIE), gpu(1)))
    assert (placed.server_cpus, placed.client_cpus) == ("4-7,12-15", "0-3,8-11")


def test_gpus_of_two_nodes_take_the_processors_of_both(scenario, sysfs):
    wanted = asking(scenario, count=2, server="gpu-numa-node")
    assert place(wanted, sysfs=sysfs, read=host(gpu(0), gpu(1)))[0].server_cpus == "0-15"


def test_a_gpu_without_a_node_takes_every_processor(scenario, sysfs):
    wanted = asking(scenario, server="gpu-numa-node")
    assert place(wanted, sysfs=sysfs, read=host(gpu(2)))[0].server_cpus == "0-15"


def test_a_load_without_a_processor_is_refused_with_a_division_by_hand(scenario, sysfs):
    with pytest.raises(PrerequisiteError) as caught:
        place(asking(scenario, server="gpu-numa-node", client="rest"), sysfs=sysfs, read=host(gpu(2)))
    assert "--set host.server_cpus=0-11 --set host.client_cpus=12-15" in (caught.value.repair or "")


def test_the_suggested_division_is_one_that_can_be_had(scenario, sysfs):
    by_hand = asking(scenario, server="0-11", client="12-15")
    (placed,) = place(by_hand, sysfs=sysfs, read=host(gpu(2)))
    assert (placed.server_cpus, placed.client_cpus) == ("0-11", "12-15")


@pytest.mark.parametrize(
    ("server", "client", "problem"),
    [
        ("0-3,16-17", None, "this host has no processor 16-17"),
        ("0", "15-17", "this host has no processor 16-17"),
        ("7-0", None, "these are no processors"),
        ("rest", None, "these are no processors"),
        (None, "gpu-numa-node", "these are no processors"),
        (None, "rest", "no processor is left for the load"),
    ],
)
def test_processors_that_this_host_does_not_have_are_refused(scenario, sysfs, server, client, problem):
    with pytest.raises(PrerequisiteError, match=problem):
        place(asking(scenario, server=server, client=client), sysfs=sysfs, read=host(gpu(0)))


def test_the_node_of_a_gpu_is_not_asked_without_a_gpu(scenario, sysfs):
    alone = replace(scenario, host=HostNeeds(server_cpus="gpu-numa-node"))
    with pytest.raises(PrerequisiteError, match="without a GPU"):
        place(alone, sysfs=sysfs, read=host())


@pytest.mark.parametrize("text", ["0", "0-3", "0-3,8", "0,2,4", "0-1,3-4,7"])
def test_a_list_of_processors_reads_as_it_was_written(text):
    assert cpu_list(parse_cpus(text)) == text


def test_this_host_has_processors():
    assert online_cpus()

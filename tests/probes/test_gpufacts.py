"""What NVML says of this machine, whatever it is."""

import pytest

from bench.probes.gpufacts import read_gpus, sysfs_bus_id


def test_a_machine_without_gpus_says_why_and_one_with_gpus_names_them():
    host = read_gpus()
    if host.problem is None:
        assert host.driver
        assert all(gpu.name and gpu.uuid for gpu in host.gpus)
    else:
        assert host.gpus == ()
        assert host.driver is None


@pytest.mark.parametrize(
    ("nvml", "sysfs"),
    [("00000000:0F:00.0", "0000:0f:00.0"), ("00010000:00:1E.0", "10000:00:1e.0"), ("0000:07:00.0", "0000:07:00.0")],
)
def test_a_bus_id_becomes_the_name_of_its_folder(nvml, sysfs):
    assert sysfs_bus_id(nvml) == sysfs

"""Each byte once: of disks and networks that lie on others, and of those of this machine."""

from pathlib import Path

import psutil

from bench.probes.traffic import disk_bytes, is_disk, network_bytes, own_network

READ = "{} {} {} 10 0 {} 5 20 0 {} 7 0 0 0\n"
HEADINGS = "Inter-| Receive | Transmit\n face |bytes packets ...\n"
INTERFACE = "{}: {} 1 0 0 0 0 0 0 {} 1 0 0 0 0 0 0\n"


def block(sys: Path, name: str, number: str, *, on: tuple[str, ...] = (), is_partition: bool = False) -> None:
    folder = sys / "devices" / name
    (folder / "slaves").mkdir(parents=True)
    for below in on:
        (folder / "slaves" / below).touch()
    if is_partition:
        (folder / "partition").touch()
    for place, link in (("class/block", name), ("dev/block", number)):
        (sys / place).mkdir(parents=True, exist_ok=True)
        (sys / place / link).symlink_to(folder)


def disks(folder: Path) -> dict[str, Path]:
    sys, proc = folder / "sys", folder / "proc"
    block(sys, "sda", "8:0")
    block(sys, "sda1", "8:1", is_partition=True)
    block(sys, "dm-0", "252:0", on=("sda1",))
    block(sys, "md127", "9:127", on=("sda1",))
    block(sys, "loop3", "7:3")
    block(sys, "nvme0n1", "259:0")
    block(sys, "nvme0c0n1", "259:1")
    proc.mkdir()
    rows = [READ.format(8, 0, name, 4, 2) for name in ("sda", "sda1", "dm-0", "md127", "loop3", "nvme0n1", "nvme0c0n1")]
    (proc / "diskstats").write_text("".join(rows))
    return {"sys": sys, "proc": proc}


def network(folder: Path, *, cards: tuple[str, ...]) -> dict[str, Path]:
    sys, proc = folder / "sys", folder / "proc"
    (proc / "net").mkdir(parents=True)
    names = ("lo", "eth0", "eth1", "docker0", "veth12ab", "br-77")
    (proc / "net" / "dev").write_text(HEADINGS + "".join(INTERFACE.format(name, 100, 10) for name in names))
    for name in names:
        (sys / "class" / "net" / name).mkdir(parents=True)
        if name in cards:
            (sys / "class" / "net" / name / "device").mkdir()
    return {"sys": sys, "proc": proc}


def test_volumes_files_and_paths_do_not_count_what_their_disks_count_already(tmp_path):
    assert disk_bytes(**disks(tmp_path)) == {"disk_read_bytes": 2 * 4 * 512, "disk_written_bytes": 2 * 2 * 512}


def test_a_device_that_sys_does_not_know_counts(tmp_path):
    assert is_disk(tmp_path / "dev" / "block" / "8:16")


def test_only_cards_count_where_there_are_any(tmp_path):
    assert network_bytes(**network(tmp_path, cards=("eth0", "eth1"))) == {
        "network_received_bytes": 200, "network_sent_bytes": 20,
    }  # fmt: skip


def test_a_card_below_another_one_counts_once(tmp_path):
    places = network(tmp_path, cards=("eth0", "eth1"))
    (places["sys"] / "class" / "net" / "eth1" / "master").symlink_to("../eth0")
    assert network_bytes(**places)["network_received_bytes"] == 100


def test_without_a_card_bridges_and_their_ends_do_not_count(tmp_path):
    places = network(tmp_path, cards=())
    assert network_bytes(**places)["network_received_bytes"] == 200
    assert network_bytes(proc=places["proc"], sys=None)["network_received_bytes"] == 200


def test_a_tunnel_counts_where_it_is_all_there_is(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dev").write_text(HEADINGS + INTERFACE.format("tap0", 7, 1) + INTERFACE.format("lo", 9, 9))
    assert network_bytes(proc=tmp_path, sys=None) == {"network_received_bytes": 7, "network_sent_bytes": 1}


def test_what_is_not_there_says_nothing(tmp_path):
    assert disk_bytes(proc=tmp_path, sys=tmp_path) == network_bytes(proc=tmp_path, sys=tmp_path) == {}


def test_this_machine_counts_no_more_than_all_of_it_together():
    found = disk_bytes() | network_bytes()
    disk, nets = psutil.disk_io_counters(), psutil.net_io_counters(pernic=True)
    if disk is not None:
        assert 0 < found["disk_read_bytes"] <= disk.read_bytes
    assert found["network_received_bytes"] <= sum(one.bytes_recv for one in nets.values())


def test_a_process_in_our_network_or_gone_has_none_of_its_own(tmp_path):
    assert own_network(1, proc=tmp_path) is None
    for name, target in (("self", "net:[1]"), ("7", "net:[1]"), ("8", "net:[2]")):
        (tmp_path / name / "ns").mkdir(parents=True)
        (tmp_path / name / "ns" / "net").symlink_to(target)
    assert own_network(7, proc=tmp_path) is None
    assert own_network(8, proc=tmp_path) == tmp_path / "8"

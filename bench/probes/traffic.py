"""Bytes over disks and networks since the host began, each byte once.

The kernel counts a write to a volume on the volume (dm-, md-), on the disk below it and, for a file used as a disk, on
loop too; a packet from a container on its veth, on the bridge and on the card. Only what is at the bottom is counted.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PROC, _SYS = Path("/proc"), Path("/sys")
_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own sector is (Documentation/admin-guide/iostats.rst)
# Files and memory that look like disks, and the paths to an NVMe disk that the kernel joins into one
_NO_DISK = re.compile(r"loop|ram|zram|nvme\d+c\d+n")
_NO_CARD = re.compile(r"lo$|docker|podman|veth|br-|virbr|bond|team|cni|flannel|cali|vxlan|dummy|ifb|tun|tap|wg|sit|gre")


@cache
def is_disk(folder: Path) -> bool:
    """Of a device's folder in /sys: whether its bytes are on no other device. One that /sys does not know counts."""
    device = folder.resolve()
    lies_on_others = (device / "slaves").is_dir() and any((device / "slaves").iterdir())
    return not (_NO_DISK.match(device.name) or lies_on_others or (device / "partition").exists())


def disk_bytes(*, proc: Path = _PROC, sys: Path = _SYS) -> dict[str, float]:
    """Over all disks; empty where the host shows none."""
    rows = [line.split() for line in _lines(proc / "diskstats")]
    disks = [row for row in rows if len(row) > 9 and is_disk(sys / "class" / "block" / row[2])]
    if not disks:
        return {}
    return {
        "disk_read_bytes": float(sum(int(row[5]) for row in disks) * _SECTOR_BYTES),
        "disk_written_bytes": float(sum(int(row[9]) for row in disks) * _SECTOR_BYTES),
    }


def network_bytes(*, proc: Path = _PROC, sys: Path | None = _SYS) -> dict[str, float]:
    """Over the network cards of a folder like /proc or /proc/<pid>; without `sys`, of another namespace, by names.

    In a container no interface is a card: then all count whose name is not that of a bridge or a tunnel, or all.
    """
    rows = {}
    for line in _lines(proc / "net" / "dev")[2:]:  # two lines of headings
        name, _, counts = line.partition(":")
        rows[name.strip()] = [int(count) for count in counts.split()]
    rows.pop("lo", None)
    cards = {name for name in rows if sys and is_card(sys / "class" / "net" / name)}
    chosen = cards or {name for name in rows if not _NO_CARD.match(name)} or set(rows)
    if not chosen:
        return {}
    return {
        "network_received_bytes": float(sum(rows[name][0] for name in chosen)),
        "network_sent_bytes": float(sum(rows[name][8] for name in chosen)),
    }


@cache
def is_card(folder: Path) -> bool:
    """Of an interface's folder in /sys: whether a device is behind it, and no other one that counts its bytes too."""
    return (folder / "device").exists() and not (folder / "master" / "device").exists()  # a cloud's pair of two


def own_network(pid: int, *, proc: Path = _PROC) -> Path | None:
    """Folder whose `net/dev` is that of the process alone; None where it shares our network, or may not be asked."""
    try:
        theirs, ours = ((proc / name / "ns" / "net").readlink() for name in (str(pid), "self"))
    except OSError:
        return None
    return proc / str(pid) if theirs != ours else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []

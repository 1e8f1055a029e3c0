"""What the kernel counts for one control group, version 1 and 2: a container as a whole, however its processes change.

Values: `memory_bytes` (what counts against its limit, the page cache of its files included), `page_cache_bytes`,
`page_faults` (those of them that waited for a disk are `page_faults_major`), `cpu_s`, `cpu_periods` of its quota,
`cpu_throttled_periods` in which that was used up, `cpu_throttled_s` (of every processor's queue, so that it can exceed
the time that passed), `disk_read_bytes`, `disk_written_bytes`; all but the first two since the group began. What a
kernel does not count is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.probes.traffic import is_disk

_NS, _US = 1e-9, 1e-6
_UNIFIED = "0"  # the hierarchy's number of version 2
_MOUNT, _PROC, _BLOCKS = Path("/sys/fs/cgroup"), Path("/proc"), Path("/sys/dev/block")


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """Folders of one group: of version 1 one for each controller, of version 2 one for all, under the empty name."""

    folders: Mapping[str, Path]
    blocks: Path = _BLOCKS  # a folder for each block device, by number

    def values(self) -> Iterator[tuple[str, float]]:
        """Every value that this kernel counts; nothing once the group is gone."""
        yield from self._unified() if "" in self.folders else self._by_controller()

    def _unified(self) -> Iterator[tuple[str, float]]:
        folder = self.folders[""]
        memory, cpu = _table(folder / "memory.stat"), _table(folder / "cpu.stat")
        yield from _known("memory_bytes", _number(folder / "memory.current"), 1)
        yield from _known("page_cache_bytes", memory.get("file"), 1)
        yield from _known("page_faults", memory.get("pgfault"), 1)
        yield from _known("page_faults_major", memory.get("pgmajfault"), 1)
        yield from _known("cpu_s", cpu.get("usage_usec"), _US)
        yield from _periods(cpu)
        yield from _known("cpu_throttled_s", cpu.get("throttled_usec"), _US)
        words = [word for row in self._of_disks(folder / "io.stat") for word in row[1:]]
        for metric, key in (("disk_read_bytes", "rbytes="), ("disk_written_bytes", "wbytes=")):
            found = [float(word.removeprefix(key)) for word in words if word.startswith(key)]
            yield from _known(metric, sum(found) if found else None, 1)

    def _by_controller(self) -> Iterator[tuple[str, float]]:
        memory, cpu, used, disk = (self.folders.get(name) for name in ("memory", "cpu", "cpuacct", "blkio"))
        if memory:
            yield from _known("memory_bytes", _number(memory / "memory.usage_in_bytes"), 1)
            stat = _table(memory / "memory.stat")
            yield from _known("page_cache_bytes", stat.get("total_cache"), 1)
            yield from _known("page_faults", stat.get("total_pgfault"), 1)
            yield from _known("page_faults_major", stat.get("total_pgmajfault"), 1)
        if used:
            yield from _known("cpu_s", _number(used / "cpuacct.usage"), _NS)
        if cpu:
            stat = _table(cpu / "cpu.stat")
            yield from _periods(stat)
            yield from _known("cpu_throttled_s", stat.get("throttled_time"), _NS)
        for metric, kind in (("disk_read_bytes", "Read"), ("disk_written_bytes", "Write")) if disk else ():
            rows = self._of_disks(disk / "blkio.throttle.io_service_bytes") if disk else []
            found = [float(row[2]) for row in rows if row[1:2] == [kind]]
            yield from _known(metric, sum(found) if found else None, 1)

    def _of_disks(self, path: Path) -> list[list[str]]:
        """Words of each line that begins with a device's number; a volume's bytes are those of its disks again."""
        rows = [line.split() for line in _lines(path)]
        return [row for row in rows if row and is_disk(self.blocks / row[0])]


def group_of(pid: int, *, mount: Path = _MOUNT, proc: Path = _PROC, blocks: Path = _BLOCKS) -> ControlGroup | None:
    """The group of a process; None where it has none of its own, or the same as we: then it is no container's."""
    mine, ours = _paths(proc / str(pid) / "cgroup"), _paths(proc / "self" / "cgroup")
    apart = {name: path for name, path in mine.items() if path != "/" and path != ours.get(name)}
    if "" in apart and (mount / apart[""].lstrip("/") / "cgroup.controllers").exists():
        return ControlGroup({"": mount / apart[""].lstrip("/")}, blocks)
    apart.pop("", None)
    folders = {name: mount / name / path.lstrip("/") for name, path in apart.items()}
    return ControlGroup(folders, blocks) if any(folder.is_dir() for folder in folders.values()) else None


def _paths(listing: Path) -> dict[str, str]:
    """Controller -> path, of /proc/<pid>/cgroup; version 2 under the empty name."""
    found = {}
    for line in _lines(listing):
        number, controllers, path = line.split(":", 2)
        for name in ("",) if number == _UNIFIED else controllers.split(","):
            found[name] = path
    return found


def _periods(cpu: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    yield from _known("cpu_periods", cpu.get("nr_periods"), 1)
    yield from _known("cpu_throttled_periods", cpu.get("nr_throttled"), 1)


def _known(metric: str, value: float | None, factor: float) -> Iterator[tuple[str, float]]:
    if value is not None:
        yield metric, value * factor


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:  # not counted here, or gone
        return []


def _number(path: Path) -> float | None:
    text = "".join(_lines(path)).strip()
    return float(text) if text.isdigit() else None


def _table(path: Path) -> dict[str, float]:
    rows = [line.split() for line in _lines(path)]
    return {row[0]: float(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

"""What the host, its container, the server's processes and the client's use, read from /proc and control groups."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.clock import NS_PER_S, now_ns
from bench.probes.cgroup import group_of

Row = tuple[int, str, str, str, float]  # instant on CLOCK_MONOTONIC, source, entity, metric, value

TREE_REFRESH_S = 2.0  # a scan of all of /proc costs 20 us a process: too much for every sample of a busy host
BUSY_CORES = 0.05  # below, a process of the server has no row of its own: an engine has dozens that sleep
PSS_COST_RATIO = 0.002  # the exact share of memory makes the kernel walk every page: minutes of weights, so rarely
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process has used since its start, from one read of /proc/<pid>/stat."""

    parent: int
    name: str  # as the kernel cuts it, 15 bytes
    cpu_s: float
    faults_minor: int
    faults_major: int
    rss_bytes: int


def read_process(pid: int) -> ProcessUse | None:
    """None when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold spaces and brackets
    return ProcessUse(
        parent=int(fields[1]),
        name=text[text.index("(") + 1 : text.rindex(")")],
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        faults_minor=int(fields[7]),
        faults_major=int(fields[9]),
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def parents() -> dict[int, int]:
    """Process -> its parent, for all processes of the host."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {pid: use.parent for pid in pids if (use := read_process(pid))}


def tree(roots: Collection[int], parent_of: Mapping[int, int], *, without: Collection[int] = ()) -> frozenset[int]:
    """The roots that live and all that descends from them, but no process in `without` nor what descends from it."""
    found = {root for root in roots if root in parent_of} - set(without)
    grew = True
    while grew:
        more = {pid for pid, parent in parent_of.items() if parent in found and pid not in found and pid not in without}
        found |= more
        grew = bool(more)
    return frozenset(found)


def pss_bytes(pid: int) -> int | None:
    """Memory of a process with each shared page divided by its sharers; None when gone or not allowed."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


@dataclass
class ProcessGroup:
    """One entity's processes: sums over those that lived through the whole interval.

    `rss_bytes` counts a page once for every process that maps it, is exact for one process and costs one small read;
    `pss_bytes` divides shared pages, but makes the kernel walk all of them under the lock of the server's memory map.
    So rss comes with every sample, and pss so rarely that it costs less than PSS_COST_RATIO of the time.
    """

    entity: str
    with_pss: bool = False
    apart: bool = False  # its busy processes have rows of their own too, as `entity/pid name`
    _before: dict[int, ProcessUse] = field(default_factory=dict)
    _before_ns: int = 0
    _pss_due_ns: int = 0

    def sample(self, pids: Collection[int]) -> Iterator[Row]:
        """Rows of this instant; rates from the second sample on; nothing for a group without processes."""
        at_ns = now_ns()
        uses = {pid: use for pid in pids if (use := read_process(pid))}
        if uses:
            yield at_ns, "host", self.entity, "rss_bytes", float(sum(use.rss_bytes for use in uses.values()))
            yield from self._rates(at_ns, uses)
            if self.with_pss and at_ns >= self._pss_due_ns:
                yield from self._pss(uses)
        self._before, self._before_ns = uses, at_ns

    def _rates(self, at_ns: int, uses: Mapping[int, ProcessUse]) -> Iterator[Row]:
        both = [(self._before[pid], use) for pid, use in uses.items() if pid in self._before]
        interval_s = (at_ns - self._before_ns) / NS_PER_S
        if not both or interval_s <= 0:
            return
        sums = {
            "cpu_cores": sum(new.cpu_s - old.cpu_s for old, new in both),
            "page_faults_minor_per_s": sum(new.faults_minor - old.faults_minor for old, new in both),
            "page_faults_major_per_s": sum(new.faults_major - old.faults_major for old, new in both),
        }
        for metric, total in sums.items():
            yield at_ns, "host", self.entity, metric, total / interval_s
        if self.apart:
            for pid in uses.keys() & self._before.keys():
                cores = (uses[pid].cpu_s - self._before[pid].cpu_s) / interval_s
                if cores >= BUSY_CORES:
                    yield at_ns, "host", f"{self.entity}/{pid} {uses[pid].name}", "cpu_cores", cores

    def _pss(self, uses: Collection[int]) -> Iterator[Row]:
        at_ns = now_ns()
        known = [size for pid in uses if (size := pss_bytes(pid)) is not None]
        if len(known) == len(uses):
            yield at_ns, "host", self.entity, "pss_bytes", float(sum(known))
        self._pss_due_ns = now_ns() + int((now_ns() - at_ns) / PSS_COST_RATIO)


class HostSampler:
    """Host, server, client and the sampler itself; the client is all that nimbench started which is no server."""

    def __init__(self, server_roots: Collection[int], client_root: int) -> None:
        self._server_roots, self._client_root, self._self = frozenset(server_roots), client_root, os.getpid()
        self._groups = {
            "server": ProcessGroup("server", with_pss=True, apart=True),
            "client": ProcessGroup("client"),
            "sampler": ProcessGroup("sampler"),
        }
        self._pids: dict[str, frozenset[int]] = {}
        self._named: frozenset[int] = frozenset()  # of the server, told before
        self._refresh_ns = 0
        self._group = next((group for pid in sorted(server_roots) if (group := group_of(pid))), None)
        psutil.cpu_percent()  # the first call only sets the mark from which the next one counts

    def sample(self) -> Iterator[Row]:
        """All rows of this instant."""
        yield from self._host()
        if now_ns() >= self._refresh_ns:
            self._pids = self._membership()
            self._refresh_ns = now_ns() + int(TREE_REFRESH_S * NS_PER_S)
            yield from self._members()
        for entity, group in self._groups.items():
            yield from group.sample(self._pids[entity])
        if self._group:
            at_ns = now_ns()
            for metric, value in self._group.values():
                yield at_ns, "host", "container", metric, value

    def _host(self) -> Iterator[Row]:
        at_ns = now_ns()
        values = {
            "cpu_ratio": psutil.cpu_percent() / 100,
            "memory_available_bytes": psutil.virtual_memory().available,
            "load_average_1m": os.getloadavg()[0],
            **_traffic(),
        }
        for metric, value in values.items():
            yield at_ns, "host", "host", metric, float(value)

    def _members(self) -> Iterator[Row]:
        """Each process of the server once: who else is on its GPU is a stranger there."""
        at_ns, server = now_ns(), self._pids["server"]
        for pid in sorted(server - self._named):
            yield at_ns, "host", "server", "pid", float(pid)
        self._named |= server

    def _membership(self) -> dict[str, frozenset[int]]:
        parent_of = parents()
        above = _ancestors(self._server_roots, parent_of) - {self._client_root}  # supervisors are neither
        client = tree({self._client_root}, parent_of, without={self._self, *above, *self._server_roots})
        return {
            "server": tree(self._server_roots, parent_of),
            "client": client,
            "sampler": frozenset({self._self}),
        }


def _traffic() -> dict[str, float]:
    """Bytes since the host began, over all disks and over all networks but the loopback."""
    disk = psutil.disk_io_counters()
    nets = [one for name, one in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    found = {
        "network_sent_bytes": float(sum(one.bytes_sent for one in nets)),
        "network_received_bytes": float(sum(one.bytes_recv for one in nets)),
    }
    if disk is not None:  # a host may show no disk at all
        found |= {"disk_read_bytes": float(disk.read_bytes), "disk_written_bytes": float(disk.write_bytes)}
    return found


def _ancestors(pids: Collection[int], parent_of: Mapping[int, int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        parent = parent_of.get(pid)
        while parent and parent not in found:
            found.add(parent)
            parent = parent_of.get(parent)
    return found

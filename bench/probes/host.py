"""What the host, its container, the server's processes and the client's use, read from /proc and control groups."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import psutil

from bench.clock import NS_PER_S, now_ns
from bench.probes.cgroup import group_of
from bench.probes.process_name import process_name
from bench.probes.processes import BusiestThreads, ProcessUse, ancestors, parents, pss_bytes, read_process, tree
from bench.probes.traffic import disk_bytes, network_bytes, own_network

Row = tuple[int, str, str, str, float]  # instant on CLOCK_MONOTONIC, source, entity, metric, value

TREE_REFRESH_S = 2.0  # a scan of all of /proc costs 20 us a process: too much for every sample of a busy host
BUSY_CORES = 0.05  # below, a process of the server has no row of its own: an engine has dozens that sleep
PSS_COST_RATIO = 0.002  # the exact share of memory makes the kernel walk every page: minutes of weights, so rarely


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
    _names: dict[int, str] = field(default_factory=dict)
    _threads: BusiestThreads = field(default_factory=BusiestThreads)
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
            yield from self._each(at_ns, uses, interval_s)

    def _each(self, at_ns: int, uses: Mapping[int, ProcessUse], interval_s: float) -> Iterator[Row]:
        """Busy processes one by one; of equal names each has its own row, for its number tells them apart."""
        before = self._before
        cores = {pid: (uses[pid].cpu_s - before[pid].cpu_s) / interval_s for pid in sorted(uses.keys() & before.keys())}
        busy = {pid: value for pid, value in cores.items() if value >= BUSY_CORES}
        for pid in busy.keys() - self._names.keys():  # at first sight: a command line is long, and stays as it is
            self._names[pid] = process_name(pid, uses[pid].name)
        for pid, value in busy.items():
            yield at_ns, "host", f"{self.entity}/{pid} {self._names[pid]}", "cpu_cores", value
        for seen_ns, pid, value in self._threads.sample(busy):
            yield seen_ns, "host", f"{self.entity}/{pid} {self._names[pid]}", "busiest_thread_cores", value

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
        contained = [(pid, group) for pid in sorted(server_roots) if (group := group_of(pid))]
        self._group = contained[0][1] if contained else None
        self._network = own_network(contained[0][0]) if contained else None
        self._is_marked = False

    def sample(self) -> Iterator[Row]:
        """All rows of this instant."""
        yield from self._host()
        if now_ns() >= self._refresh_ns:
            self._pids = self._membership()
            self._refresh_ns = now_ns() + int(TREE_REFRESH_S * NS_PER_S)
            yield from self._members()
        for entity, group in self._groups.items():
            yield from group.sample(self._pids[entity])
        yield from self._container()

    def _host(self) -> Iterator[Row]:
        at_ns = now_ns()
        used = psutil.cpu_percent() / 100  # since the call before in this very thread: the first only sets the mark
        values = {
            **({"cpu_ratio": used} if self._is_marked else {}),
            "memory_available_bytes": psutil.virtual_memory().available,
            "load_average_1m": os.getloadavg()[0],
            **disk_bytes(),
            **network_bytes(),
        }
        self._is_marked = True
        for metric, value in values.items():
            yield at_ns, "host", "host", metric, float(value)

    def _container(self) -> Iterator[Row]:
        at_ns = now_ns()
        values = dict(self._group.values()) if self._group else {}
        if self._network:
            values |= network_bytes(proc=self._network, sys=None)
        for metric, value in values.items():
            yield at_ns, "host", "container", metric, value

    def _members(self) -> Iterator[Row]:
        """Each process of the server once: who else is on its GPU is a stranger there."""
        at_ns, server = now_ns(), self._pids["server"]
        for pid in sorted(server - self._named):
            yield at_ns, "host", "server", "pid", float(pid)
        self._named |= server

    def _membership(self) -> dict[str, frozenset[int]]:
        parent_of = parents()
        above = ancestors(self._server_roots, parent_of) - {self._client_root}  # supervisors are neither
        client = tree({self._client_root}, parent_of, without={self._self, *above, *self._server_roots})
        # What left its parent is still the server's: its supervisor, or the container's shim, inherits it.
        keepers = {parent_of.get(root, 0) for root in self._server_roots} - {0, 1, self._client_root}
        return {
            "server": tree(self._server_roots, parent_of) | (tree(keepers, parent_of) - keepers),
            "client": client,
            "sampler": frozenset({self._self}),
        }

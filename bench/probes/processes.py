"""What /proc says of processes and their threads."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.clock import NS_PER_S, now_ns

# As often as a clock of 100 ticks a second gives a per cent; a little under 1 s, not to miss a sample that is due then
THREADS_EVERY_S = 0.9
THREADS_COST_RATIO = 0.01  # of one core: 10 us a thread, and engines have hundreds in each process
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STAT_BYTES = 1024  # a line of stat is shorter


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


def thread_cpu_s(pid: int) -> dict[int, float]:
    """Thread -> seconds of a processor since its start; empty when the process is gone."""
    found = {}
    try:
        folder = os.open(f"/proc/{pid}/task", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return {}
    try:
        with os.scandir(folder) as threads:
            for thread in threads:
                text = _read_at(folder, f"{thread.name}/stat")
                fields = text[text.rfind(b")") + 2 :].split(None, 13)
                if len(fields) > 12:  # else the thread has ended
                    found[int(thread.name)] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    except OSError:  # the process has ended meanwhile
        return {}
    finally:
        os.close(folder)
    return found


def _read_at(folder: int, name: str) -> bytes:
    """A file below an open folder, for half of what a path from the root costs; empty where it is gone."""
    try:
        file = os.open(name, os.O_RDONLY, dir_fd=folder)
    except OSError:
        return b""
    try:
        return os.read(file, _STAT_BYTES)
    except OSError:
        return b""
    finally:
        os.close(file)


@dataclass
class BusiestThreads:
    """Cores that the busiest thread of a process used since the look before: what a sum over threads cannot say."""

    _before: dict[int, tuple[int, dict[int, float]]] = field(default_factory=dict)
    _due_ns: int = 0

    def sample(self, pids: Collection[int]) -> Iterator[tuple[int, int, float]]:
        """Instant, process and cores; nothing while no look is due, nor of a process that the last one left out."""
        began_ns, began_cpu_s = now_ns(), time.thread_time()
        if began_ns < self._due_ns:
            return
        seen = {}
        for pid in pids:
            at_ns, threads = now_ns(), thread_cpu_s(pid)
            if not threads:
                continue
            seen[pid] = (at_ns, threads)
            if pid in self._before:
                then_ns, old = self._before[pid]
                most_s = max(cpu_s - old.get(thread, 0.0) for thread, cpu_s in threads.items())
                yield at_ns, pid, max(0.0, most_s) / ((at_ns - then_ns) / NS_PER_S)
        self._before = seen
        took_s = time.thread_time() - began_cpu_s
        self._due_ns = began_ns + int(max(THREADS_EVERY_S, took_s / THREADS_COST_RATIO) * NS_PER_S)


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


def ancestors(pids: Collection[int], parent_of: Mapping[int, int]) -> set[int]:
    """All that the processes descend from."""
    found: set[int] = set()
    for pid in pids:
        parent = parent_of.get(pid)
        while parent and parent not in found:
            found.add(parent)
            parent = parent_of.get(parent)
    return found


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

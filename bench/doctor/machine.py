"""The machine itself: what any run needs, and what is good to know."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from bench.doctor.fact import Check, absent_modules, gib

_RUN_MODULES = ("docker", "httpx", "locust", "prometheus_client", "psutil", "tokenizers")  # the extra `run`
_DISK_RESERVE_BYTES = 1 << 30  # beside the run's own files: what engines and the system write meanwhile
_MEMORY_BYTES = 2 << 30  # the suite itself, with a small engine


def check_machine(results: Path, run_bytes: int) -> list[Check]:
    """Every check that does not depend on the arms."""
    return [_python(), _proc(), _run_extra(), _cpus(), _memory(), _disk(results, run_bytes)]


def _python() -> Check:
    return Check(
        name="Python",
        ok=sys.version_info >= (3, 11),
        found=platform.python_version(),
        expected="3.11 or newer",
        repair="make the environment again with a newer Python",
    )


def _proc() -> Check:
    ok = Path("/proc/self/stat").exists()
    found = "there" if ok else f"absent on {platform.system()}"
    return Check(name="/proc", ok=ok, found=found, expected="Linux with /proc", repair="measure on a Linux host")


def _run_extra() -> Check:
    absent = absent_modules(_RUN_MODULES)
    return Check(
        name="packages of a measuring host",
        ok=not absent,
        found=f"without {', '.join(absent)}" if absent else "installed",
        expected=", ".join(_RUN_MODULES),
        repair="in nimbench's checkout: pip install '.[run]'",
    )


def _cpus() -> Check:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check(
        name="CPUs",
        ok=count >= 2,
        found=str(count),
        expected="2 or more: the load must not take the server's",
        repair="use a machine with more cores, or read the client's CPU in the report",
        needed=False,
    )


def _memory() -> Check:
    total, free = _meminfo_bytes("MemTotal"), _meminfo_bytes("MemAvailable")
    known = total is not None and free is not None
    return Check(
        name="memory",
        ok=free is not None and free >= _MEMORY_BYTES,
        found=f"{gib(free or 0)} of {gib(total or 0)} available" if known else "not known",
        expected=f"{gib(_MEMORY_BYTES)} available",
        repair="end programs that hold memory",
        needed=False,
    )


def _disk(results: Path, run_bytes: int) -> Check:
    place = results.absolute()
    while not place.exists():
        place = place.parent
    free, wanted = shutil.disk_usage(place).free, run_bytes + _DISK_RESERVE_BYTES
    writable = os.access(place, os.W_OK)
    return Check(
        name=f"disk for {results}",
        ok=free >= wanted and writable,
        found=f"{gib(free)} free" if writable else f"{place} cannot be written",
        expected=f"{gib(wanted)} free in a folder that can be written",
        repair="make room, or name another folder with --results",
    )


def _meminfo_bytes(name: str) -> int | None:
    path = Path("/proc/meminfo")
    rows = path.read_text().splitlines() if path.exists() else []
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith(f"{name}:")), None)

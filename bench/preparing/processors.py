"""Keeps the suite's own processes, which all descend from this one, off the server's processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.runtimes.placement import parse_cpus


@contextmanager
def on_cpus(cpus: str | None) -> Iterator[None]:
    """Have this process and every one that it starts meanwhile on these processors; None leaves them as they are."""
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, parse_cpus(cpus))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""Keeps the suite's own processes, which all descend from this one, off the server's processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import PrerequisiteError
from bench.runtimes.placement import parse_cpus


@contextmanager
def on_cpus(cpus: str | None) -> Iterator[None]:
    """Have this process and every one that it starts meanwhile on these processors; None leaves them as they are."""
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, parse_cpus(cpus))
    except OSError as error:  # a control group may forbid them to us although they are online
        allowed = ", ".join(map(str, sorted(before)))
        raise PrerequisiteError(
            f"the load cannot run on these processors: {error.strerror}",
            where="host.client_cpus",
            expected=f"processors among those that this process may use: {allowed}",
            got=cpus,
            repair="give others with --set host.client_cpus=LIST",
        ) from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

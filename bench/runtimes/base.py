"""The contract of a runtime: start a launch spec, watch it, stop it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.vocabulary import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A process of the arm that ended by itself."""

    command: str  # its name
    code: int | None
    signal: int | None
    oom: bool = False  # the kernel killed it for memory, by the container engine's word
    error: str | None = None  # the container engine's own words
    gone: bool = False  # not the arm ended but the container engine


class Running(Protocol):
    """A started arm."""

    url: str
    log_path: Path  # lines "<seconds since t0, 6 decimals> <command name> <text>"; empty for an endpoint

    def pids(self) -> Mapping[str, int]:
        """Root process of each command on this host; empty for an endpoint."""
        ...

    def exited(self) -> Exit | None:
        """The first command that ended by itself, None while all live."""
        ...

    def marks_ns(self) -> Mapping[Mark, int]:
        """CREATED, PROCESS_STARTED, FIRST_LOG as far as known, on CLOCK_MONOTONIC."""
        ...

    def log_tail(self, lines: int = 12) -> tuple[str, ...]:
        """The last log lines, redacted and bounded in length."""
        ...

    def paste(self) -> tuple[str, ...]:
        """One line per process that a user can paste into a shell, redacted."""
        ...

    def stop(self) -> None:
        """End every process of the arm and wait until they are gone; safe to call twice."""
        ...

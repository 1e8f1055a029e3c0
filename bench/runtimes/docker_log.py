"""Follows a container's output into server.log, on the clock of the launch."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from bench.clock import NS_PER_S
from bench.secrets import Redactor

LINE_BYTES = 16 * 1024
FIRST_LINE = re.compile(r"^(\S+) ?(.*)$", re.DOTALL)
_ENDS = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
)


class LogFollower:
    """A thread that writes "<seconds since t0> engine <text>" lines until the container ends.

    Docker stamps each line with the wall clock; a pair of both clocks taken at the start converts it. A step of the
    wall clock meanwhile moves the lines after it: marks seen from outside never come from here.
    """

    def __init__(
        self, client: docker.DockerClient, container: str, *, t0_ns: int, path: Path, redactor: Redactor,
        on_first: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._t0_ns, self._path, self._redactor, self._on_first = t0_ns, path, redactor, on_first
        self._stream: Any = client.api.logs(
            container, stdout=True, stderr=True, stream=True, follow=True, timestamps=True
        )
        self._thread = threading.Thread(target=self._follow, daemon=True, name="docker-log")
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Until the last line is written, within bounds."""
        self._thread.join(timeout_s)

    def wall_to_monotonic_ns(self, wall_ns: int) -> int:
        """An instant of Docker's on CLOCK_MONOTONIC."""
        return wall_ns - self._offset_ns

    def _follow(self) -> None:
        rest = b""
        with self._path.open("a", encoding="utf-8") as file, contextlib.suppress(*_ENDS):
            for data in self._stream:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._write(file, line)
                if len(rest) > LINE_BYTES:  # a server without line ends must not fill the memory
                    self._write(file, rest)
                    rest = b""
                file.flush()
            if rest:
                self._write(file, rest)

    def _write(self, file: Any, line: bytes) -> None:
        text = line[:LINE_BYTES].decode(errors="replace")
        match = FIRST_LINE.match(text)
        wall_ns = parse_instant_ns(match[1]) if match else None
        words = match[2] if match and wall_ns is not None else text
        t_ns = self.wall_to_monotonic_ns(wall_ns) if wall_ns is not None else time.monotonic_ns()
        self._on_first(t_ns)
        for part in words.rstrip("\r").split("\r"):  # progress bars
            file.write(f"{(t_ns - self._t0_ns) / NS_PER_S:.6f} engine {self._redactor.text(part)}\n")


def parse_instant_ns(text: str) -> int | None:
    """RFC 3339 with nanoseconds, as Docker writes it, in ns since the epoch; None for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        return None
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return int(whole.timestamp()) * NS_PER_S + int((match[2] or "0").ljust(9, "0"))

"""Follows a container's output into server.log, on the clock of the launch."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import docker.errors

from bench.clock import now_ns, since_s
from bench.dockerhost.errors import DOCKER_FAULTS, said_by
from bench.runtimes.walltime import parse_instant_ns, to_monotonic_ns
from bench.secrets import Redactor

MISSED_LINES = 200
LINE_CHARACTERS = 4000  # longer lines are cut into pieces: a log is for reading
LINE_BYTES = 1 << 20  # of a line without end, what comes after this is dropped
CUT_BYTES = 4096  # and this much before it: half a secret at the cut would not be recognised
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


class LogFollower:
    """A thread that writes "<seconds since t0> engine <text>" lines until the container's output ends."""

    def __init__(self, client: Any, container: str, *, t0_ns: int, path: Path, redactor: Redactor) -> None:
        self.first_ns: int | None = None  # of the first line, on CLOCK_MONOTONIC
        self._t0_ns, self._path, self._redactor = t0_ns, path, redactor
        self._frames = frames_of(client.api, container)
        self._thread = threading.Thread(target=self._follow, daemon=True, name="docker-log")
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Until the last line is written, within bounds."""
        self._thread.join(timeout_s)

    def _follow(self) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                try:
                    for t_ns, text in stamped_lines(self._frames):
                        self.first_ns = t_ns if self.first_ns is None else self.first_ns
                        for piece in pieces(self._redactor.text(text)):
                            file.write(f"{since_s(self._t0_ns, t_ns):.6f} engine {piece}\n")
                        file.flush()
                except DOCKER_FAULTS as error:
                    file.write(f"{since_s(self._t0_ns, now_ns()):.6f} nimbench the log ends here: {said_by(error)}\n")
        except OSError:  # no space for the log is no reason to lose the watch over the container
            return


def frames_of(api: Any, container: str) -> Iterator[bytes]:
    """Every frame of the output, the last ones too: an engine may end a followed log before it has given them all."""
    last_ns = 0
    for frame in api.logs(container, stream=True, follow=True, timestamps=True):
        last_ns = stamp_ns(frame) or last_ns
        yield frame
    try:
        missed = api.logs(container, stream=True, follow=False, timestamps=True, tail=MISSED_LINES)
    except docker.errors.APIError:
        return  # it has been removed
    yield from (frame for frame in missed if (stamp_ns(frame) or 0) > last_ns)


def stamp_ns(frame: bytes) -> int | None:
    """Docker's time of a frame, on the wall clock."""
    stamp, space, _ = frame.partition(b" ")
    return parse_instant_ns(stamp.decode(errors="replace")) if space else None


def stamped_lines(frames: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """(CLOCK_MONOTONIC, line) of each line: Docker stamps every frame, and splits a long line over several."""
    line, begun_ns = b"", None
    for frame in frames:
        t_ns, data = split_stamp(frame)
        begun_ns = t_ns if begun_ns is None else begun_ns
        line = line + data if len(line) <= LINE_BYTES else line + data[-1:]
        if data.endswith(b"\n"):
            yield begun_ns, bounded(line)
            line, begun_ns = b"", None
    if begun_ns is not None:
        yield begun_ns, bounded(line)


def split_stamp(frame: bytes) -> tuple[int, bytes]:
    """A frame's time and its text; the time of its coming where it carries none."""
    wall_ns = stamp_ns(frame)
    return (now_ns(), frame) if wall_ns is None else (to_monotonic_ns(wall_ns), frame.partition(b" ")[2])


def bounded(line: bytes) -> str:
    """As text without its end."""
    kept = line.rstrip(b"\r\n")
    if len(kept) > LINE_BYTES:
        kept = kept[: LINE_BYTES - CUT_BYTES] + b" [cut by nimbench]"
    return kept.decode(errors="replace")


def pieces(text: str, limit: int | None = LINE_CHARACTERS) -> Iterator[str]:
    """What a terminal would not show is gone; a progress bar's states are lines of their own."""
    for state in re.split(r"\r+", text):
        clean = _CONTROL.sub("", state)
        size = limit or max(len(clean), 1)
        yield from (clean[start : start + size] for start in range(0, max(len(clean), 1), size))

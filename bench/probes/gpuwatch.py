"""Asks for the state of GPUs, and waits no longer for the answer than an answer may take."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from bench.probes.gpustate import GpuState

ANSWER_S = 60.0  # a driver that is loaded anew takes 1 to 3 s for each GPU; one whose calls run out, 45 s for each call
_END_S = 2.0
_CHUNK = 65536


class DriverSilent(Exception):
    """No answer now; another question may have one."""


class GpuGone(Exception):
    """The driver or the GPU is not there any more, and no waiting brings it back."""


class GpuWatch:
    """A process that holds NVML, from the first question to `close`; one that hangs is left to the kernel."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GpuWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, uuids: Sequence[str]) -> tuple[GpuState, ...]:
        """Of these GPUs, in this order; DriverSilent, or GpuGone."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.probes.gpustate"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run, not for it
            )  # fmt: skip
        answer = self._answer(self._process, json.dumps(list(uuids)))
        if "states" in answer:
            return tuple(_state(document) for document in answer["states"])
        raise (GpuGone if answer["is_gone"] else DriverSilent)(answer["error"])

    def close(self) -> None:
        """End the process, and wait no longer for it than it deserves: one within the driver cannot be killed."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        process.stdout.close()

    def _answer(self, process: subprocess.Popen[bytes], question: str) -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        said, until_s = b"", time.monotonic() + self._answer_s
        with suppress(BrokenPipeError):  # then its end is read below
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, until_s - time.monotonic()))
            chunk = os.read(process.stdout.fileno(), _CHUNK) if ready else b""
            if not chunk:
                self.close()
                raise DriverSilent("its library ended the process" if ready else f"not within {self._answer_s:g} s")
            said += chunk
        return dict(json.loads(said))


def _state(document: dict[str, Any]) -> GpuState:
    held = document.pop("processes")
    return GpuState(processes=None if held is None else tuple((pid, size) for pid, size in held), **document)

"""The state of GPUs from a process that holds NVML, from the first question to the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.probes.driver_process import ANSWER_S, DriverProcess, DriverSilent
from bench.probes.gpustate import GpuState


class GpuGone(Exception):
    """The driver or the GPU is not there any more, and no waiting brings it back."""


class GpuWatch:
    """Asks `bench.probes.gpustate`."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self.process = DriverProcess("bench.probes.gpustate", answer_s=answer_s)

    def read(self, uuids: Sequence[str]) -> tuple[GpuState, ...]:
        """Of these GPUs, in this order; DriverSilent, or GpuGone."""
        answer = self.process.ask(list(uuids))
        if "states" in answer:
            return tuple(_state(document) for document in answer["states"])
        raise (GpuGone if answer["is_gone"] else DriverSilent)(answer["error"])

    def close(self) -> None:
        """End the process."""
        self.process.close()


def _state(document: dict[str, Any]) -> GpuState:
    held = document.pop("processes")
    return GpuState(processes=None if held is None else tuple((pid, size) for pid, size in held), **document)

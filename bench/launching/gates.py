"""No launch begins on a GPU that is at work, or warmer than it was at the first one: heat costs clocks and power."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench.events import Event, Progress
from bench.probes.gpustate import GpuState, read_states

BAND_C = 3.0  # above the temperature of the first launch; the band of published protocols
IDLE_RATIO = 0.05  # NVML's share of time with any kernel: an idle card shows 0, a desktop a few per cent
MOST_WAIT_S = 300.0
POLL_S, TELL_S = 1.0, 10.0


class GpuGate:
    """One for a run: its first launch sets the temperature for the others."""

    def __init__(
        self,
        uuids: Sequence[str],
        *,
        most_wait_s: float = MOST_WAIT_S,
        read: Callable[[Sequence[str]], Sequence[GpuState]] = read_states,
    ) -> None:
        self._uuids, self._most_wait_s, self._read = tuple(uuids), most_wait_s, read
        self._first_c: dict[str, float] = {}

    def wait(self, progress: Progress) -> str | None:
        """Until every GPU is idle and in the band; why not, where that does not come in time. At once without GPUs."""
        if not self._uuids:
            return None
        begin_s = time.monotonic()
        told_s = begin_s - TELL_S
        while reason := self._closed():
            waited_s = time.monotonic() - begin_s
            if waited_s >= self._most_wait_s:
                return f"{reason}; waited {waited_s:.0f} s"
            if time.monotonic() - told_s >= TELL_S:
                progress(Event("stage", f"waiting for the GPU: {reason}"))
                told_s = time.monotonic()
            time.sleep(POLL_S)
        return None

    def _closed(self) -> str | None:
        try:
            states = self._read(self._uuids)
        except Exception as error:  # noqa: BLE001 - the bindings' own class is there only with their package
            return f"the driver does not answer ({error})"
        reason = next((text for state in states if (text := self._why(state))), None)
        if reason is None:
            for state in states:
                if state.temperature_c is not None:
                    self._first_c.setdefault(state.uuid, state.temperature_c)
        return reason

    def _why(self, state: GpuState) -> str | None:
        if state.processes:
            listed = ", ".join(f"{pid}{_held(size)}" for pid, size in state.processes[:4])
            return f"{state.uuid} is used by process {listed}"
        if state.utilisation_ratio is not None and state.utilisation_ratio > IDLE_RATIO:
            return f"{state.uuid} is at work ({state.utilisation_ratio:.0%} of the time)"
        first_c = self._first_c.get(state.uuid)
        if first_c is not None and state.temperature_c is not None and state.temperature_c > first_c + BAND_C:
            return f"{state.uuid} has {state.temperature_c:.0f} °C, at the first launch it had {first_c:.0f} °C"
        return None


def _held(size: int | None) -> str:
    return "" if size is None else f" ({size / 2**30:.1f} GiB)"

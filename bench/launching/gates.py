"""No launch begins on a GPU at work, set otherwise than at the first one, or warmer: heat costs clocks and power."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from bench.events import Event, Progress
from bench.probes.gpustate import GpuState, read_states

BAND_C = 3.0  # above the temperature of the first launch; the band of published protocols
IDLE_RATIO = 0.05  # NVML's share of time with any kernel: an idle card shows 0, a desktop a few per cent
MORE_MEMORY_BYTES = 2**29  # than at the first launch: half a GiB, a context's size, held by whoever is not listed
MORE_POWER = 1.5  # times that of the first launch: a card kept at its high clocks takes twice its idle power or more
MOST_WAIT_S = 300.0
POLL_S, TELL_S = 1.0, 10.0
_SLOWED = {0x8: "hardware slowdown", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "power brake"}
_SETTINGS = {  # that nothing in a run may change, and how to say them
    "power_limit_w": ("power limit", "{:.0f} W"),
    "locked_sm_clock_hz": ("SM clock of applications", "{:.0f} Hz"),
    "persistence": ("persistence mode", "{}"),
}


class GpuGate:
    """One for a run: a card's last burn-in launch, else its first one, sets temperature and settings for the others.

    A card that stood cold for an hour never comes back to that between launches; after burn-in it is as warm as it
    will be.
    """

    def __init__(
        self,
        *,
        most_wait_s: float = MOST_WAIT_S,
        read: Callable[[Sequence[str]], Sequence[GpuState]] = read_states,
    ) -> None:
        self._most_wait_s, self._read = most_wait_s, read
        self._first: dict[str, GpuState] = {}

    def wait(self, uuids: Sequence[str], progress: Progress, *, burn_in: bool = False) -> str | None:
        """Until every GPU is fit for a launch; why not, where that does not come in time. At once without GPUs."""
        if burn_in:
            self._first = {uuid: state for uuid, state in self._first.items() if uuid not in uuids}
        if not uuids:
            return None
        begin_s = time.monotonic()
        told_s = begin_s - TELL_S
        while reason := self._closed(uuids):
            waited_s = time.monotonic() - begin_s
            if waited_s >= self._most_wait_s:
                return f"{reason}; waited {waited_s:.0f} s"
            if time.monotonic() - told_s >= TELL_S:
                progress(Event("stage", f"waiting for the GPU: {reason}"))
                told_s = time.monotonic()
            time.sleep(POLL_S)
        return None

    def _closed(self, uuids: Sequence[str]) -> str | None:
        try:
            states = self._read(uuids)
        except Exception as error:  # noqa: BLE001 - the bindings' own class is there only with their package
            return f"the driver does not answer ({error})"
        reason = next((f"{state.uuid} {text}" for state in states for text in self._reasons(state)), None)
        if reason is None:
            for state in states:
                self._first.setdefault(state.uuid, state)
        return reason

    def _reasons(self, state: GpuState) -> Iterator[str]:
        yield from _busy(state)
        first = self._first.get(state.uuid)
        if first is not None:
            yield from _unlike(first, state)


def _busy(state: GpuState) -> Iterator[str]:
    if state.processes:
        listed = ", ".join(f"{pid}{_held(size)}" for pid, size in state.processes[:4])
        yield f"is used by process {listed}"
    if state.utilisation_ratio is not None and state.utilisation_ratio > IDLE_RATIO:
        yield f"is at work ({state.utilisation_ratio:.0%} of the time)"
    slowed = [cause for bit, cause in _SLOWED.items() if (state.clocks_event_bits or 0) & bit]
    if slowed:
        yield f"is held back: {', '.join(slowed)}"


def _unlike(first: GpuState, now: GpuState) -> Iterator[str]:
    """How the card differs from what it was at its first launch; what either did not say differs in nothing."""
    warmer_c = _more(first.temperature_c, now.temperature_c)
    if warmer_c > BAND_C:
        yield f"has {now.temperature_c:.0f} °C, at the first launch it had {first.temperature_c:.0f} °C"
    more = _more(first.memory_used_bytes, now.memory_used_bytes)
    if more > MORE_MEMORY_BYTES:
        yield f"has {more / 2**30:.1f} GiB more in use than at the first launch"
    if _more(first.power_w, now.power_w) > (MORE_POWER - 1) * (first.power_w or 0.0):
        yield f"takes {now.power_w:.0f} W, at the first launch it took {first.power_w:.0f} W"
    for name, (words, shown) in _SETTINGS.items():
        was, is_now = getattr(first, name), getattr(now, name)
        if was is not None and is_now is not None and was != is_now:
            yield f"was set otherwise: {words} {shown.format(is_now)}, at the first launch {shown.format(was)}"


def _more(first: float | None, now: float | None) -> float:
    return 0.0 if first is None or now is None else now - first


def _held(size: int | None) -> str:
    return "" if size is None else f" ({size / 2**30:.1f} GiB)"

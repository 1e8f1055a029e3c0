"""What speaks against a launch on a GPU, in words."""

from __future__ import annotations

from collections.abc import Iterator

from bench.probes.gpu_driver import MPS_SERVER
from bench.probes.gpustate import GpuState
from bench.probes.processes import read_process
from bench.voids import BAND_C, SLOWED_BITS

IDLE_RATIO = 0.05  # NVML's share of time with any kernel: an idle card shows 0, a desktop a few per cent
MORE_MEMORY_BYTES = 2**29  # than before: half a GiB, a context's size, held by whoever is not listed
MORE_POWER, MORE_POWER_W = 1.5, 25.0  # times and watts that count as work: idle cards of desktops step from 8 to 30 W
_SETTINGS = {  # that nothing in a run may change, and how to say them
    "power_limit_w": ("power limit", "{:.0f} W"),
    "application_sm_clock_hz": ("SM clock of applications", "{:.0f} Hz"),
    "persistence": ("persistence mode", "{}"),
}


def busy(state: GpuState) -> Iterator[str]:
    """What keeps a launch from any card."""
    if state.processes:
        names = [_name(pid) for pid, _ in state.processes]
        listed = ", ".join(
            f"{pid}{name}{_held(size)}" for (pid, size), name in zip(state.processes[:4], names, strict=False)
        )
        mps = "; end it with `echo quit | nvidia-cuda-mps-control`" if any(MPS_SERVER in name for name in names) else ""
        yield f"is used by process {listed}{mps}"
    if state.utilisation_ratio is not None and state.utilisation_ratio > IDLE_RATIO:
        yield f"is at work ({state.utilisation_ratio:.0%} of the time)"
    slowed = [cause for bit, cause in SLOWED_BITS.items() if (state.clocks_event_bits or 0) & bit]
    if slowed:
        yield f"is held back: {', '.join(slowed)}"


def unlike(normal: GpuState, now: GpuState) -> Iterator[tuple[str, bool]]:
    """How the card differs from what it was, and whether that may be nobody's doing; silence differs from nothing."""
    nobody = now.processes == ()
    if _more(normal.temperature_c, now.temperature_c) > BAND_C:
        yield f"has {now.temperature_c:.0f} °C, before it had {normal.temperature_c:.0f} °C", True
    more = _more(normal.memory_used_bytes, now.memory_used_bytes)
    if more > MORE_MEMORY_BYTES:
        yield f"has {more / 2**30:.1f} GiB more in use than before", nobody
    if _more(normal.power_w, now.power_w) > max(MORE_POWER_W, (MORE_POWER - 1) * (normal.power_w or 0.0)):
        yield f"takes {now.power_w:.0f} W, before it took {normal.power_w:.0f} W", nobody
    for name, (words, shown) in _SETTINGS.items():
        was, is_now = getattr(normal, name), getattr(now, name)
        if was is not None and is_now is not None and was != is_now:
            yield f"was set otherwise: {words} {shown.format(is_now)}, before {shown.format(was)}", False


def _more(normal: float | None, now: float | None) -> float:
    return 0.0 if normal is None or now is None else now - normal


def _held(size: int | None) -> str:
    return "" if size is None else f" ({size / 2**30:.1f} GiB)"


def _name(pid: int) -> str:
    """With a space before it; empty where /proc has it not."""
    found = read_process(pid)
    return f" {found.name}" if found else ""

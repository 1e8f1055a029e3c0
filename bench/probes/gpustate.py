"""The GPUs at this moment, asked once: who uses them, how warm they are, and how they are set."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.probes.gpu_fields import clocks_event_bits, memory_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """One GPU; None is what this card or driver does not say."""

    uuid: str
    processes: tuple[tuple[int, int | None], ...] | None = None  # of compute: pid, bytes
    utilisation_ratio: float | None = None
    memory_used_bytes: int | None = None
    power_w: float | None = None  # as the driver averages it
    temperature_c: float | None = None
    clocks_event_bits: int | None = None
    power_limit_w: float | None = None
    locked_sm_clock_hz: float | None = None  # set for applications
    persistence: bool | None = None


def read_states(uuids: Sequence[str]) -> tuple[GpuState, ...]:
    """Of these GPUs; `NVMLError` where the driver or one of them is gone."""
    nvml = importlib.import_module("pynvml")  # of the extra `run`
    nvml.nvmlInit()
    try:
        return tuple(_state(nvml, uuid, nvml.nvmlDeviceGetHandleByUUID(uuid)) for uuid in uuids)
    finally:
        nvml.nvmlShutdown()


def _state(nvml: Any, uuid: str, handle: Any) -> GpuState:
    found = _asked(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    rates = _asked(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    warm = _asked(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
    memory = _asked(nvml, lambda: dict(memory_bytes(nvml, handle)))
    power_mw = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    reasons = _asked(nvml, lambda: clocks_event_bits(nvml, handle))
    limit_mw = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle))
    locked_mhz = _asked(nvml, lambda: nvml.nvmlDeviceGetApplicationsClock(handle, nvml.NVML_CLOCK_SM))
    persistence = _asked(nvml, lambda: nvml.nvmlDeviceGetPersistenceMode(handle))
    return GpuState(
        uuid=uuid,
        processes=None if found is None else tuple((one.pid, one.usedGpuMemory) for one in found),
        utilisation_ratio=None if rates is None else rates.gpu / 100,
        memory_used_bytes=None if memory is None else int(memory["memory_used_bytes"]),
        power_w=None if power_mw is None else power_mw / 1e3,
        temperature_c=None if warm is None else float(warm),
        clocks_event_bits=None if reasons is None else int(reasons),
        power_limit_w=None if limit_mw is None else limit_mw / 1e3,
        locked_sm_clock_hz=None if locked_mhz is None else locked_mhz * 1e6,
        persistence=None if persistence is None else bool(persistence),
    )


def _asked(nvml: Any, question: Callable[[], Any]) -> Any:
    """None where this card or driver has no answer, for whatever reason; a GPU that is gone is an error."""
    try:
        return question()
    except (nvml.NVMLError_GpuIsLost, nvml.NVMLError_ResetRequired, nvml.NVMLError_GpuNotFound):
        raise
    except nvml.NVMLError:
        return None

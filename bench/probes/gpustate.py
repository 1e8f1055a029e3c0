"""The GPUs at this moment: who uses them, how warm they are, and how they are set.

`python -m bench.probes.gpustate` answers from a process of its own, until stdin ends: a list of UUIDs in JSON on each
line, an answer in JSON on a line for each. `bench.probes.gpuwatch` starts it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.probes.gpu_driver import driver_version, is_process_list_known
from bench.probes.gpu_fields import clocks_event_bits, memory_bytes, temperature_c


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
    application_sm_clock_hz: float | None = None  # `nvidia-smi -ac`; NVML does not tell the clocks that -lgc locks
    persistence: bool | None = None


def read_states(nvml: Any, uuids: Sequence[str]) -> tuple[GpuState, ...]:
    """Of these GPUs, by an NVML that was initialised; `NVMLError` where the driver or one of them is gone."""
    return tuple(_state(nvml, uuid, nvml.nvmlDeviceGetHandleByUUID(uuid)) for uuid in uuids)


def _state(nvml: Any, uuid: str, handle: Any) -> GpuState:
    is_listed = is_process_list_known(driver_version(nvml))
    found = _asked(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) if is_listed else None
    rates = _asked(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    warm_c = _asked(nvml, lambda: temperature_c(nvml, handle))
    memory = _asked(nvml, lambda: dict(memory_bytes(nvml, handle)))
    power_mw = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    reasons = _asked(nvml, lambda: clocks_event_bits(nvml, handle))
    limit_mw = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle))
    application_mhz = _asked(nvml, lambda: nvml.nvmlDeviceGetApplicationsClock(handle, nvml.NVML_CLOCK_SM))
    persistence = _asked(nvml, lambda: nvml.nvmlDeviceGetPersistenceMode(handle))
    return GpuState(
        uuid=uuid,
        processes=None if found is None else tuple((one.pid, one.usedGpuMemory) for one in found),
        utilisation_ratio=None if rates is None else rates.gpu / 100,
        memory_used_bytes=None if memory is None else int(memory["memory_used_bytes"]),
        power_w=None if power_mw is None else power_mw / 1e3,
        temperature_c=warm_c,
        clocks_event_bits=None if reasons is None else int(reasons),
        power_limit_w=None if limit_mw is None else limit_mw / 1e3,
        application_sm_clock_hz=None if application_mhz is None else application_mhz * 1e6,
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


def main() -> None:
    """Answer until stdin ends; NVML stays initialised between answers.

    With persistence mode off the driver would else be loaded anew for each, and a card that is being initialised looks
    busy.
    """
    nvml = importlib.import_module("pynvml")  # of the extra `run`
    final = {  # what waiting cannot mend
        nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED, nvml.NVML_ERROR_GPU_NOT_FOUND,
        nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND,
    }  # fmt: skip
    began = False
    for line in sys.stdin:
        try:
            if not began:
                nvml.nvmlInit()
                began = True
            answer: dict[str, Any] = {"states": [asdict(one) for one in read_states(nvml, json.loads(line))]}
        except nvml.NVMLError as error:
            answer = {"error": str(error), "is_gone": error.value in final}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

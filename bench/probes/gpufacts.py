"""The GPUs of this host as NVML describes them, and the toolkit that gives them to containers; None where absent."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.probes.driver_process import DriverProcess, DriverSilent

_TOOL_TIMEOUT_S = 30.0
_COMPUTE_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}  # NVML's own numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One physical GPU."""

    index: int
    name: str  # as NVML spells it: PCIe, NVL and SXM differ here
    uuid: str
    memory_bytes: int | None = None
    power_limit_w: float | None = None
    compute_mode: str | None = None  # "default", "exclusive process", "prohibited": who else may use it
    persistence: bool | None = None  # the driver stays loaded when nobody uses the GPU
    mig: bool | None = None  # cut into instances
    ecc: bool | None = None  # memory errors are corrected, which costs bandwidth on cards without HBM
    compute_capability: str | None = None  # "9.0": which GPU code it runs
    pci_bus_id: str | None = None  # as sysfs writes it, "0000:0f:00.0"
    memory_bus_width_bits: int | None = None
    max_memory_clock_hz: float | None = None  # of the board, whatever it is held to now; two transfers a cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHost:
    """The driver with its GPUs."""

    gpus: tuple[GpuFacts, ...] = ()
    unreadable: tuple[str, ...] = ()  # of the others: "GPU 3: GPU is lost"
    driver: str | None = None
    cuda_driver: str | None = None  # newest CUDA that the driver speaks, "13.0"
    problem: str | None = None  # why nothing could be asked


def read_gpus() -> GpuHost:
    """Asked anew at each call, for a driver may be loaded meanwhile; one that hangs is a problem as any other."""
    process = DriverProcess("bench.probes.gpufacts")
    try:
        answer = process.ask("the GPUs of this host")
    except DriverSilent as error:
        return GpuHost(problem=f"the driver does not answer ({error})")
    finally:
        process.close()
    gpus = tuple(GpuFacts(**document) for document in answer.pop("gpus"))
    return GpuHost(gpus=gpus, unreadable=tuple(answer.pop("unreadable")), **answer)


def _read() -> GpuHost:
    try:
        nvml = importlib.import_module("pynvml")  # of the extra `run`
    except ModuleNotFoundError:
        return GpuHost(problem="the package nvidia-ml-py is not installed")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpuHost(problem=str(error))
    try:
        return _host(nvml)
    except nvml.NVMLError as error:
        return GpuHost(problem=str(error))
    finally:
        nvml.nvmlShutdown()


def _host(nvml: Any) -> GpuHost:
    cuda = _asked(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
    gpus: list[GpuFacts] = []
    unreadable: list[str] = []
    for index in range(nvml.nvmlDeviceGetCount()):  # which counts lost ones too
        try:
            gpus.append(_gpu(nvml, index))
        except nvml.NVMLError as error:
            unreadable.append(f"GPU {index}: {error}")
    return GpuHost(
        gpus=tuple(gpus),
        unreadable=tuple(unreadable),
        driver=_asked(nvml, nvml.nvmlSystemGetDriverVersion),
        cuda_driver=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
    )


def _gpu(nvml: Any, index: int) -> GpuFacts:
    """`NVMLError` where it has no handle, name or UUID: it could be told from no other, nor be used."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _asked(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    power_mw = _asked(nvml, nvml.nvmlDeviceGetPowerManagementLimit, handle)
    persistence = _asked(nvml, nvml.nvmlDeviceGetPersistenceMode, handle)
    mig = _asked(nvml, nvml.nvmlDeviceGetMigMode, handle)
    ecc = _asked(nvml, nvml.nvmlDeviceGetEccMode, handle)
    compute_mode = _asked(nvml, nvml.nvmlDeviceGetComputeMode, handle)
    pci = _asked(nvml, nvml.nvmlDeviceGetPciInfo, handle)
    capability = _asked(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    memory_clock_mhz = _asked(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_MEM)
    return GpuFacts(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        memory_bytes=memory.total if memory else None,
        power_limit_w=power_mw / 1000 if power_mw is not None else None,
        compute_mode=_COMPUTE_MODES.get(compute_mode) if compute_mode is not None else None,
        persistence=bool(persistence) if persistence is not None else None,
        mig=bool(mig[0]) if mig else None,
        ecc=bool(ecc[0]) if ecc else None,
        compute_capability=".".join(map(str, capability)) if capability else None,
        pci_bus_id=sysfs_bus_id(pci.busId) if pci else None,
        memory_bus_width_bits=_asked(nvml, nvml.nvmlDeviceGetMemoryBusWidth, handle) or None,  # 0: it does not say
        max_memory_clock_hz=memory_clock_mhz * 1e6 if memory_clock_mhz else None,
    )


def _asked(nvml: Any, question: Callable[..., Any], *words: Any) -> Any:
    """The answer, None where this GPU or driver has none: many facts exist on some boards only."""
    try:
        return question(*words)
    except nvml.NVMLError:
        return None


def sysfs_bus_id(nvml_bus_id: str) -> str:
    """`00000000:0F:00.0` of NVML as the kernel names that folder, `0000:0f:00.0`."""
    domain, _, rest = nvml_bus_id.partition(":")
    return f"{int(domain, 16):04x}:{rest.lower()}"


def toolkit_version() -> str | None:
    """Of NVIDIA's container toolkit on this host: `NVIDIA Container Toolkit CLI version 1.17.8` and a commit."""
    command = ["nvidia-ctk", "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bversion:?\s+v?(\d+(?:\.\d+)+\S*)", done.stdout)
    return match[1] if match else None


if __name__ == "__main__":
    sys.stdin.readline()
    sys.stdout.write(json.dumps(asdict(_read())) + "\n")

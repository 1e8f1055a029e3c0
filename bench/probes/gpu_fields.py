"""What NVML is asked of one GPU: each metric with its call, its unit and how often.

Rows are named by `bench.probes.gpu`. Fields are named as in nvidia-ml-py; those whose numbers hang on the driver are in
`bench.probes.gpu_driver`. What a card or driver does not know it refuses, and is not asked again. Cumulative values are
since the driver was loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

PER_MILLI, PER_NANO, PER_CENT, KB, KIB, MIB, MEGA = 1e-3, 1e-9, 1e-2, 1e3, 1024.0, 1024.0**2, 1e6
GPU_SCOPE, MODULE_SCOPE = 0, 1  # of power and energy: the GPU, or the module with its processor
_ALL_LINKS = 0xFFFFFFFF  # as scope of an NVLink field: the sum of them
Values = Iterator[tuple[str, float]]
Question = Callable[[Any, Any], Values]  # (pynvml, handle) -> metric, value


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, and the metrics that it gives."""

    metrics: tuple[str, ...]
    ask: Question


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the batched call."""

    metric: str
    field: str | int  # its name in pynvml, or its number
    factor: float  # to our unit
    scope: int = GPU_SCOPE

    def number(self, nvml: Any) -> int | None:
        """None where these bindings do not know it."""
        return self.field if isinstance(self.field, int) else getattr(nvml, self.field, None)


FAST = (  # 10 times a second: what an integral or a window's edge needs
    Asked(("clocks_event_bits",), lambda n, h: _one("clocks_event_bits", clocks_event_bits(n, h))),
    Asked(("sm_clock_hz",), lambda n, h: _one("sm_clock_hz", n.nvmlDeviceGetClockInfo(h, n.NVML_CLOCK_SM) * MEGA)),
    Asked(("utilisation_ratio", "memory_utilisation_ratio"), lambda n, h: _utilisation(n, h)),
)
FAST_FIELDS = (
    Field("power_w", "NVML_FI_DEV_POWER_INSTANT", PER_MILLI),
    Field("throttled_power_s", "NVML_FI_DEV_PERF_POLICY_POWER", PER_NANO),
    Field("throttled_thermal_s", "NVML_FI_DEV_PERF_POLICY_THERMAL", PER_NANO),
    Field("throttled_sync_s", "NVML_FI_DEV_PERF_POLICY_SYNC_BOOST", PER_NANO),
    Field("throttled_board_s", "NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT", PER_NANO),
)
# Instead of field 186 on Volta and Turing: "instantaneous" there by the header, a mean over a second on what is newer.
USAGE_IS_POWER = Asked(("power_w",), lambda n, h: _one("power_w", n.nvmlDeviceGetPowerUsage(h) * PER_MILLI))
SLOW = (  # once a second
    Asked(("power_average_w",), lambda n, h: _one("power_average_w", n.nvmlDeviceGetPowerUsage(h) * PER_MILLI)),
    Asked(("power_limit_w",), lambda n, h: _one("power_limit_w", n.nvmlDeviceGetEnforcedPowerLimit(h) * PER_MILLI)),
    Asked(
        ("memory_clock_hz",), lambda n, h: _one("memory_clock_hz", n.nvmlDeviceGetClockInfo(h, n.NVML_CLOCK_MEM) * MEGA)
    ),
    Asked(("temperature_c",), lambda n, h: _one("temperature_c", temperature_c(n, h))),
    Asked(("memory_total_bytes", "memory_used_bytes", "memory_reserved_bytes"), lambda n, h: memory_bytes(n, h)),
    Asked(("ecc_corrected",), lambda n, h: _one("ecc_corrected", _ecc(n, h, n.NVML_MEMORY_ERROR_TYPE_CORRECTED))),
    Asked(("ecc_uncorrected",), lambda n, h: _one("ecc_uncorrected", _ecc(n, h, n.NVML_MEMORY_ERROR_TYPE_UNCORRECTED))),
)
SLOW_FIELDS = (
    Field("module_power_w", "NVML_FI_DEV_POWER_INSTANT", PER_MILLI, scope=MODULE_SCOPE),
    Field("memory_temperature_c", "NVML_FI_DEV_MEMORY_TEMP", 1.0),
    Field("nvlink_sent_bytes", "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX", KIB, scope=_ALL_LINKS),
    Field("nvlink_received_bytes", "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", KIB, scope=_ALL_LINKS),
)
PCIE = (  # each call measures for 20 ms and answers then: asked in a thread of its own
    Asked(("pcie_sent_bytes_per_s",), lambda n, h: _pcie(n, h, "pcie_sent_bytes_per_s", "NVML_PCIE_UTIL_TX_BYTES")),
    Asked(
        ("pcie_received_bytes_per_s",), lambda n, h: _pcie(n, h, "pcie_received_bytes_per_s", "NVML_PCIE_UTIL_RX_BYTES")
    ),
)


def read_field(nvml: Any, handle: Any, number: int, scope: int) -> float:
    """One field alone, in NVML's own unit."""
    (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [(number, scope)])
    return field_value(nvml, answer)


def field_value(nvml: Any, answer: Any) -> float:
    """The number in the union that the field's type names; `NVMLError` where the field was refused."""
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    member = {
        nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
        nvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
        nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
    }.get(answer.valueType)
    if member is None:
        raise ValueError(f"the driver answers with a value of type {answer.valueType}, which is not known here")
    return float(getattr(answer.value, member))


def _one(metric: str, value: float) -> Values:
    yield metric, float(value)


def clocks_event_bits(nvml: Any, handle: Any) -> float:
    """What holds the clocks where they are, bit by bit."""
    try:
        return float(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    except nvml.NVMLError_FunctionNotFound:  # drivers before 535 know it by its older name
        return float(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


def temperature_c(nvml: Any, handle: Any) -> float:
    """Of the chip; by the older call, which goes with CUDA 14, where the newer one has no answer."""
    try:
        return float(nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU))
    except nvml.NVMLError:
        return float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))


def _utilisation(nvml: Any, handle: Any) -> Values:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    yield "utilisation_ratio", rates.gpu * PER_CENT
    yield "memory_utilisation_ratio", rates.memory * PER_CENT


def memory_bytes(nvml: Any, handle: Any) -> Values:
    """Version 1 counts what the driver keeps for itself as used, version 2 apart."""
    try:
        found = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except nvml.NVMLError_FunctionNotFound:
        found = nvml.nvmlDeviceGetMemoryInfo(handle)
    yield "memory_total_bytes", float(found.total)
    yield "memory_used_bytes", float(found.used)
    if hasattr(found, "reserved"):
        yield "memory_reserved_bytes", float(found.reserved)


def _ecc(nvml: Any, handle: Any, kind: int) -> float:
    return float(nvml.nvmlDeviceGetTotalEccErrors(handle, kind, nvml.NVML_VOLATILE_ECC))


def _pcie(nvml: Any, handle: Any, metric: str, counter: str) -> Values:
    """In KB/s. NVML writes KiB where it means 1024 bytes, so this is taken as 1000; nothing it says is clearer."""
    yield metric, nvml.nvmlDeviceGetPcieThroughput(handle, getattr(nvml, counter)) * KB

"""Activity counters of Hopper and newer (NVML's GPM): shares of the time between two snapshots that the card keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_METRICS = {  # ours -> NVML's; in per cent there
    "gpm_graphics_ratio": "NVML_GPM_METRIC_GRAPHICS_UTIL",
    "sm_active_ratio": "NVML_GPM_METRIC_SM_UTIL",
    "tensor_active_ratio": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dram_active_ratio": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}


class Activity:
    """Of one GPU. `NVMLError` from the start where the card has none of it."""

    metrics = tuple(_METRICS)

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        if not nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._before, self._now = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        self._has_before = False

    def values(self) -> Iterator[tuple[str, float]]:
        """Shares of the time since the last call; nothing at the first one."""
        nvml = self._nvml
        nvml.nvmlGpmSampleGet(self._handle, self._now)
        if self._has_before:
            yield from self._between()
        self._before, self._now, self._has_before = self._now, self._before, True

    def _between(self) -> Iterator[tuple[str, float]]:
        nvml = self._nvml
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version, asked.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(_METRICS)
        asked.sample1, asked.sample2 = self._before, self._now
        for place, name in enumerate(_METRICS.values()):
            asked.metrics[place].metricId = getattr(nvml, name)
        nvml.nvmlGpmMetricsGet(asked)
        for place, ours in enumerate(_METRICS):
            if asked.metrics[place].nvmlReturn == nvml.NVML_SUCCESS:
                yield ours, asked.metrics[place].value / 100

    def close(self) -> None:
        """Give the snapshots back."""
        for sample in (self._before, self._now):
            self._nvml.nvmlGpmSampleFree(sample)

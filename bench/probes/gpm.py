"""Activity counters of Hopper and newer (NVML's GPM): means over the time between two snapshots that the card keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bench.probes.gpu_fields import MIB, PER_CENT
from bench.probes.gpu_notes import Answers, is_final

_SHARES = {
    "gpm_graphics_ratio": "NVML_GPM_METRIC_GRAPHICS_UTIL",
    "sm_active_ratio": "NVML_GPM_METRIC_SM_UTIL",
    "tensor_active_ratio": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dram_active_ratio": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}
_PCIE = {  # the header: TX is "traffic from this GPU", RX "traffic to this GPU"
    "pcie_sent_bytes_per_s": "NVML_GPM_METRIC_PCIE_TX_PER_SEC",
    "pcie_received_bytes_per_s": "NVML_GPM_METRIC_PCIE_RX_PER_SEC",
}
_NVLINK = {  # of all links
    "nvlink_sent_bytes_per_s": "NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC",
    "nvlink_received_bytes_per_s": "NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC",
}
_METRICS = {  # ours -> NVML's, and the factor from its unit (per cent, MiB/s) to ours
    **{ours: (theirs, PER_CENT) for ours, theirs in _SHARES.items()},
    **{ours: (theirs, MIB) for ours, theirs in (_PCIE | _NVLINK).items()},
}


class Activity:
    """Of one GPU. `NVMLError` from the start where the card has none of it."""

    metrics = (*_SHARES, *_NVLINK)  # for PCIe there is another way, see `gives`

    def __init__(self, nvml: Any, handle: Any, answers: Answers) -> None:
        self._nvml, self._handle, self._answers = nvml, handle, answers
        self._wanted = list(_METRICS)
        if not nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self._before, self._now = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        self._has_before = False

    def gives(self, metric: str) -> bool:
        """Whether it is read here, as far as is known yet."""
        return metric in self._wanted

    def values(self) -> Iterator[tuple[str, float]]:
        """Means over the time since the last call; nothing at the first one."""
        nvml = self._nvml
        nvml.nvmlGpmSampleGet(self._handle, self._now)
        if self._has_before:
            yield from self._between()
        self._before, self._now, self._has_before = self._now, self._before, True

    def _between(self) -> Iterator[tuple[str, float]]:
        nvml, wanted = self._nvml, tuple(self._wanted)
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version, asked.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(wanted)
        asked.sample1, asked.sample2 = self._before, self._now
        for place, ours in enumerate(wanted):
            asked.metrics[place].metricId = getattr(nvml, _METRICS[ours][0])
        nvml.nvmlGpmMetricsGet(asked)
        for place, ours in enumerate(wanted):
            found = asked.metrics[place]
            if found.nvmlReturn != nvml.NVML_SUCCESS:
                self._refuse(ours, nvml.NVMLError(found.nvmlReturn))
            elif math.isfinite(found.value):
                yield ours, found.value * _METRICS[ours][1]
            else:
                self._answers.fail((ours,))

    def _refuse(self, metric: str, error: Any) -> None:
        final = is_final(self._nvml, error)
        if final:
            self._wanted.remove(metric)
        if not (final and metric in _PCIE):  # there the sensor is asked from now on, and has the say
            self._answers.refuse((metric,), error)

"""XID errors of one GPU as the driver tells them; the value is the XID."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MOST = 16  # of one sample


class Xids:
    """`NVMLError` from the start where the card tells none.

    Each GPU has a set of its own: a wait that fails does not say for which GPU of its set.
    """

    metrics = ("xid",)

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._set = nvml, nvml.nvmlEventSetCreate()
        nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)

    def values(self) -> Iterator[tuple[str, float]]:
        """What has happened since the last call, without waiting for more."""
        for _ in range(_MOST):
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._set, 0)
            except self._nvml.NVMLError_Timeout:  # nothing more has happened
                return
            yield "xid", float(event.eventData)

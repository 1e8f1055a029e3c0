"""What NVML says of the GPUs of one arm, over time: energy first, for power that is read now and then is no integral.

Rows have the source `gpu` and the GPU's UUID as entity. `energy_j` counts since the driver was loaded, and its instant
is the middle of the call that read it; the card renews it some 10 to 50 times a second, so two reads may be equal.
`power_w` is the card's instant power where it has one: the older reading (`power_average_w`) is a mean over a second on
Ampere and newer. A metric that a card does not have is absent, and named once in `absent`; a GPU that is lost in the
middle costs no row of another one.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.clock import NS_PER_S, now_ns
from bench.probes.gpm import Activity
from bench.probes.gpu_fields import FAST, FAST_FIELDS, PCIE, PER_MILLI, SLOW, SLOW_FIELDS, Asked, Field, field_value
from bench.probes.host import Row

SOURCE = "gpu"
SLOW_S = 1.0  # between two reads of what changes slowly or is read for its state
_MOST_EVENTS = 16  # of one sample


@dataclass
class GpuNotes:
    """What could not be read, for the report of the sampling."""

    absent: dict[str, dict[str, str]] = field(default_factory=dict)  # UUID -> metric -> why this card has it not
    failed: dict[str, dict[str, int]] = field(default_factory=dict)  # UUID -> metric -> reads that failed
    lost: dict[str, str] = field(default_factory=dict)  # UUID -> why nothing more can be asked of it


class GpuSampler:
    """All GPUs of an arm. `NVMLError` from the start where there is no driver or no such GPU."""

    def __init__(self, uuids: Sequence[str]) -> None:
        self._nvml = importlib.import_module("pynvml")  # of the extra `run`
        self._nvml.nvmlInit()
        self.notes = GpuNotes()
        handles = {uuid: self._nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids}
        self._gpus = [_Gpu(self._nvml, uuid, handle, self.notes) for uuid, handle in handles.items()]
        self._events = _Events(self._nvml, handles, self.notes)
        self._slow_due_ns = 0

    def sample(self) -> Iterator[Row]:
        """Every row of this instant; what changes slowly once a second."""
        slow = now_ns() >= self._slow_due_ns
        if slow:
            self._slow_due_ns = now_ns() + int(SLOW_S * NS_PER_S)
        for gpu in self._gpus:
            yield from gpu.energy()
        for gpu in self._gpus:
            yield from gpu.fast()
            if slow:
                yield from gpu.slow()
        yield from self._events.rows()

    def sample_pcie(self) -> Iterator[Row]:
        """The traffic over PCIe; each read takes 20 ms or more, so it wants a thread of its own."""
        for gpu in self._gpus:
            yield from gpu.pcie()


class _Gpu:
    """One GPU; every call that it refuses for good is made once."""

    def __init__(self, nvml: Any, uuid: str, handle: Any, notes: GpuNotes) -> None:
        self._nvml, self._uuid, self._handle, self._notes = nvml, uuid, handle, notes
        self._never = {  # what another read cannot mend
            nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT,
            nvml.NVML_ERROR_NO_PERMISSION, nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        }  # fmt: skip
        self._gone = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED, nvml.NVML_ERROR_GPU_NOT_FOUND}
        self._activity: Activity | None = None
        for _ in self._guarded(Activity.metrics, self._begin_activity):
            pass

    def energy(self) -> Iterator[Row]:
        before_ns = now_ns()
        for metric, value in self._guarded(("energy_j",), self._energy):
            yield (before_ns + now_ns()) // 2, SOURCE, self._uuid, metric, value

    def fast(self) -> Iterator[Row]:
        yield from self._fields(FAST_FIELDS)
        yield from self._asked(FAST)

    def slow(self) -> Iterator[Row]:
        yield from self._fields(SLOW_FIELDS)
        yield from self._asked(SLOW)
        yield from self._processes()
        if self._activity is not None:
            yield from self._rows(self._guarded(Activity.metrics, self._activity.values))

    def pcie(self) -> Iterator[Row]:
        yield from self._asked(PCIE)

    def _energy(self) -> Iterator[tuple[str, float]]:
        yield "energy_j", self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) * PER_MILLI

    def _begin_activity(self) -> Iterator[tuple[str, float]]:
        self._activity = Activity(self._nvml, self._handle)
        yield from ()

    def _asked(self, questions: Iterable[Asked]) -> Iterator[Row]:
        for one in questions:
            yield from self._rows(self._guarded(one.metrics, partial(one.ask, self._nvml, self._handle)))

    def _fields(self, fields: Sequence[Field]) -> Iterator[Row]:
        """One call for all; each field has its own return code."""
        wanted = [one for one in fields if hasattr(self._nvml, one.name) and not self._is_absent((one.metric,))]
        if wanted:
            names = tuple(one.metric for one in wanted)
            yield from self._rows(self._guarded(names, lambda: self._read_fields(wanted)))

    def _read_fields(self, wanted: Sequence[Field]) -> Iterator[tuple[str, float]]:
        asked = [(getattr(self._nvml, one.name), one.scope) for one in wanted]
        for one, answer in zip(wanted, self._nvml.nvmlDeviceGetFieldValues(self._handle, asked), strict=True):
            if answer.nvmlReturn == self._nvml.NVML_SUCCESS:
                yield one.metric, field_value(self._nvml, answer) * one.factor
            else:
                self._note((one.metric,), self._nvml.NVMLError(answer.nvmlReturn))

    def _processes(self) -> Iterator[Row]:
        found: list[Any] = []

        def ask() -> Iterator[tuple[str, float]]:
            found.extend(self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle))
            yield "processes", float(len(found))
            yield "processes_memory_bytes", float(sum(one.usedGpuMemory or 0 for one in found))

        yield from self._rows(self._guarded(("processes", "processes_memory_bytes"), ask))
        at_ns = now_ns()
        for one in found:
            if one.usedGpuMemory is not None:  # None inside a container or under MIG
                entity = f"{self._uuid}/{one.pid}"
                yield at_ns, SOURCE, entity, "process_memory_bytes", float(one.usedGpuMemory)

    def _rows(self, values: Iterable[tuple[str, float]]) -> Iterator[Row]:
        for metric, value in values:
            yield now_ns(), SOURCE, self._uuid, metric, value

    def _guarded(
        self, metrics: Sequence[str], ask: Callable[[], Iterable[tuple[str, float]]]
    ) -> list[tuple[str, float]]:
        """The answers, none where the GPU is gone or has not got the metric."""
        if self._uuid in self._notes.lost or self._is_absent(metrics):
            return []
        try:
            return list(ask())
        except self._nvml.NVMLError as error:
            self._note(metrics, error)
        return []

    def _is_absent(self, metrics: Sequence[str]) -> bool:
        return all(metric in self._notes.absent.get(self._uuid, {}) for metric in metrics)

    def _note(self, metrics: Sequence[str], error: Any) -> None:
        if error.value in self._gone:
            self._notes.lost.setdefault(self._uuid, str(error))
        elif error.value in self._never:
            self._notes.absent.setdefault(self._uuid, {}).update(dict.fromkeys(metrics, str(error)))
        else:
            failed = self._notes.failed.setdefault(self._uuid, {})
            for metric in metrics:
                failed[metric] = failed.get(metric, 0) + 1


class _Events:
    """XID errors as the driver tells them; the value of a row is the XID."""

    def __init__(self, nvml: Any, handles: dict[str, Any], notes: GpuNotes) -> None:
        self._nvml, self._set = nvml, None
        self._uuids: dict[int | None, str] = {}
        try:
            self._set = nvml.nvmlEventSetCreate()
        except nvml.NVMLError as error:
            for uuid in handles:
                notes.absent.setdefault(uuid, {})["xid"] = str(error)
            return
        for uuid, handle in handles.items():
            try:
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._set)
                self._uuids[_address(handle)] = uuid
            except nvml.NVMLError as error:
                notes.absent.setdefault(uuid, {})["xid"] = str(error)

    def rows(self) -> Iterator[Row]:
        """What has happened since the last call, without waiting for more."""
        if not self._uuids:
            return
        for _ in range(_MOST_EVENTS):
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._set, 0)
            except self._nvml.NVMLError:  # a time-out: nothing more has happened
                return
            uuid = self._uuids.get(_address(event.device))
            if uuid:
                yield now_ns(), SOURCE, uuid, "xid", float(event.eventData)


def _address(handle: Any) -> int | None:
    """Handles are pointers, and those of one GPU are equal."""
    return ctypes.cast(handle, ctypes.c_void_p).value

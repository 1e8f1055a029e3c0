"""What NVML says of the GPUs of one arm, over time: energy first, for power that is read now and then is no integral.

Rows have the source `gpu` and the GPU's UUID as entity. `energy_j` counts since the driver was loaded, and its instant
is the middle of the call that read it; the card renews it some 10 to 50 times a second, so two reads may be equal.
Where GPU and processor are one module it is the GPU's alone, or absent. `power_w` is the card's instant power where it
has one: the older reading (`power_average_w`) is a mean over a second on Ampere and newer. A metric that a card does
not have is absent, and named once in `absent`; a GPU that is lost in the middle costs no row of another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from bench.clock import NS_PER_S, now_ns
from bench.probes.gpm import Activity
from bench.probes.gpu_driver import MPS_SERVER, Version, driver_version, event_counters, lacks_by_version
from bench.probes.gpu_energy import MODULE_ONLY, Counters, energy_counters
from bench.probes.gpu_events import Xids
from bench.probes.gpu_fields import (
    FAST,
    FAST_FIELDS,
    PCIE,
    SLOW,
    SLOW_FIELDS,
    USAGE_IS_POWER,
    Asked,
    Field,
    field_value,
)
from bench.probes.gpu_notes import Answers, GpuNotes, Values, is_final
from bench.probes.host import Row
from bench.probes.processes import read_process

SOURCE = "gpu"
SLOW_S = 1.0  # between two reads of what changes slowly or is read for its state


class GpuSampler:
    """All GPUs of an arm. `NVMLError` from the start where there is no driver or no such GPU."""

    def __init__(self, uuids: Sequence[str]) -> None:
        nvml = importlib.import_module("pynvml")  # of the extra `run`
        nvml.nvmlInit()
        self.notes = GpuNotes()
        handles = {uuid: nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids}
        version = driver_version(nvml)
        self._gpus = [_Gpu(nvml, uuid, handle, self.notes, version) for uuid, handle in handles.items()]
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
        for gpu in self._gpus:
            yield from gpu.xids()

    def sample_pcie(self) -> Iterator[Row]:
        """The traffic over PCIe; each read takes 20 ms or more, so it wants a thread of its own."""
        for gpu in self._gpus:
            yield from gpu.pcie()


class _Gpu:
    """One GPU; no question of it raises anything, see `Answers`."""

    def __init__(self, nvml: Any, uuid: str, handle: Any, notes: GpuNotes, version: Version | None) -> None:
        self._nvml, self._uuid, self._handle = nvml, uuid, handle
        self._answers = Answers(nvml, uuid, notes)
        for metric, why in lacks_by_version(version).items():
            self._answers.set_absent((metric,), why)
        self._fast, self._fast_fields = list(FAST), [*FAST_FIELDS, *event_counters(version)]
        self._counters: Counters = {}
        self._activity: Activity | None = None
        self._xids: Xids | None = None
        self._usage_is_instant = False
        self._answers.of(("energy_j",), self._find_counters)
        self._answers.of(Activity.metrics, self._begin_activity)
        self._answers.of(Xids.metrics, self._begin_xids)
        self._answers.of((), self._find_architecture)

    def energy(self) -> Iterator[Row]:
        """First of all, and each counter with the middle of its own call as its instant."""
        for metric, read in self._counters.items():
            before_ns = now_ns()
            for _, value in self._answers.of((metric,), partial(_one, metric, read)):
                yield (before_ns + now_ns()) // 2, SOURCE, self._uuid, metric, value

    def fast(self) -> Iterator[Row]:
        yield from self._fields(self._fast_fields)
        if self._usage_is_instant and self._answers.lack(("power_w",)):
            self._usage_is_instant = False  # seen to
            self._answers.set_present("power_w")
            self._fast_fields = [one for one in self._fast_fields if one.metric != "power_w"]
            self._fast.append(USAGE_IS_POWER)
        yield from self._asked(self._fast)

    def slow(self) -> Iterator[Row]:
        yield from self._fields(SLOW_FIELDS)
        yield from self._asked(SLOW)
        yield from self._processes()
        if self._activity is not None:
            yield from self._rows(self._answers.of(Activity.metrics, self._activity.values))
            if self._answers.lack(Activity.metrics):
                self._activity = None  # its PCIe traffic goes with it: the sensor is asked from now on

    def pcie(self) -> Iterator[Row]:
        """Of the sensor, whose 20 ms of each second say less than the activity counters, where the card has those."""
        activity = self._activity
        yield from self._asked(one for one in PCIE if activity is None or not activity.gives(one.metrics[0]))

    def xids(self) -> Iterator[Row]:
        """Also of a GPU that is lost: its last XID says why."""
        if self._xids is not None:
            yield from self._rows(self._answers.of(Xids.metrics, self._xids.values, last_words=True))

    def _find_counters(self) -> Values:
        self._counters = energy_counters(self._nvml, self._handle)
        if "energy_j" not in self._counters:
            self._answers.set_absent(("energy_j",), MODULE_ONLY)
        return ()

    def _begin_activity(self) -> Values:
        self._activity = Activity(self._nvml, self._handle, self._answers)
        return ()

    def _begin_xids(self) -> Values:
        self._xids = Xids(self._nvml, self._handle)
        return ()

    def _find_architecture(self) -> Values:
        nvml = self._nvml
        self._usage_is_instant = nvml.nvmlDeviceGetArchitecture(self._handle) in (
            nvml.NVML_DEVICE_ARCH_VOLTA, nvml.NVML_DEVICE_ARCH_TURING,
        )  # fmt: skip
        return ()

    def _asked(self, questions: Iterable[Asked]) -> Iterator[Row]:
        for one in questions:
            yield from self._rows(self._answers.of(one.metrics, partial(one.ask, self._nvml, self._handle)))

    def _fields(self, fields: Sequence[Field]) -> Iterator[Row]:
        """One call for all; each field has its own return code."""
        wanted = [one for one in fields if one.number(self._nvml) and not self._answers.lack((one.metric,))]
        if wanted:
            names = tuple(one.metric for one in wanted)
            yield from self._rows(self._answers.of(names, partial(self._read_fields, wanted)))

    def _read_fields(self, wanted: Sequence[Field]) -> Iterator[tuple[str, float]]:
        asked = [(one.number(self._nvml), one.scope) for one in wanted]
        try:
            found = self._nvml.nvmlDeviceGetFieldValues(self._handle, asked)
        except self._nvml.NVMLError as error:
            if len(wanted) == 1 or not is_final(self._nvml, error):
                raise
            for one in wanted:  # a driver may refuse the whole call for one field that it does not know
                yield from self._answers.of((one.metric,), partial(self._read_fields, [one]))
            return
        for one, answer in zip(wanted, found, strict=True):
            yield from self._answers.of((one.metric,), partial(self._read_field, one, answer))

    def _read_field(self, one: Field, answer: Any) -> Iterator[tuple[str, float]]:
        yield one.metric, field_value(self._nvml, answer) * one.factor

    def _processes(self) -> Iterator[Row]:
        found: list[tuple[int, int | None]] = []

        def ask() -> Iterator[tuple[str, float]]:
            listed = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
            found.extend((one.pid, one.usedGpuMemory) for one in listed)
            yield "processes", float(len(found))
            yield "processes_memory_bytes", float(sum(used or 0 for _, used in found))

        yield from self._rows(self._answers.of(("processes", "processes_memory_bytes"), ask))
        at_ns = now_ns()
        for pid, used in found:
            if used is not None and not is_mps_server(pid):  # None inside a container or under MIG
                yield at_ns, SOURCE, f"{self._uuid}/{pid}", "process_memory_bytes", float(used)

    def _rows(self, values: Values) -> Iterator[Row]:
        for metric, value in values:
            yield now_ns(), SOURCE, self._uuid, metric, value


def is_mps_server(pid: int) -> bool:
    """NVIDIA's server of MPS holds a context for its clients, which are listed beside it."""
    found = read_process(pid)
    return found is not None and found.name.startswith(MPS_SERVER)


def _one(metric: str, read: Any) -> Iterator[tuple[str, float]]:
    yield metric, read()

"""What of NVML hangs on the driver that runs, not on the card and not on the bindings."""

from __future__ import annotations

import re
from typing import Any

from bench.probes.gpu_fields import PER_NANO, Field

MPS_SERVER = "nvidia-cuda-mps"  # the name of the server of MPS, as far as the kernel keeps it
Version = tuple[int, int]  # 580.65.06 is (580, 65)
# In the order of their numbers. NVML's known issues: fields 251 to 273 "have changed between 13.0 and 13.0U1". The same
# numbers mean settings of power smoothing on the other side of the change, so they must not be taken from the bindings.
_COUNTERS = ("throttled_sw_thermal_s", "throttled_hw_thermal_s", "throttled_hw_brake_s")
_FIRST_COUNTERS: Version = (575, 0)  # header 12.8 (driver 570) ends at field 269 and has none of them
_RENUMBERED: Version = (580, 82)  # nvidia-ml-py 13.580.65 still has the old numbers, 13.580.82 the new ones
_OLD_NUMBER, _NEW_NUMBER = 251, 269  # of the first counter
_OTHER_PROCESS_STRUCT = ((535, 43), (535, 86))  # nvitop#79: from the second process on it is read askew


def driver_version(nvml: Any) -> Version | None:
    """Of the driver that runs; None where it does not say."""
    try:
        found = re.match(r"(\d+)\.(\d+)", nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None
    return (int(found[1]), int(found[2])) if found else None


def event_counters(version: Version | None) -> tuple[Field, ...]:
    """Nanoseconds for which an event held the clocks down, by the numbers that this driver gives them."""
    if version is None or version < _FIRST_COUNTERS:
        return ()
    first = _OLD_NUMBER if version < _RENUMBERED else _NEW_NUMBER
    return tuple(Field(metric, first + place, PER_NANO) for place, metric in enumerate(_COUNTERS))


def lacks_by_version(version: Version | None) -> dict[str, str]:
    """Metric -> why it is not to be asked of this driver."""
    lacks: dict[str, str] = {}
    if version is None:
        lacks |= dict.fromkeys(_COUNTERS, "the driver does not say its version, on which this field's number hangs")
    elif version < _FIRST_COUNTERS:
        lacks |= dict.fromkeys(_COUNTERS, f"drivers before {_FIRST_COUNTERS[0]} have no such field")
    if not is_process_list_known(version):
        why = "drivers 535.43 to 535.86 lay this list out otherwise, so that process ids are wrong"
        lacks |= dict.fromkeys(("processes", "processes_memory_bytes"), why)
    return lacks


def is_process_list_known(version: Version | None) -> bool:
    """Whether the list of processes can be read as today's header lays it out."""
    return version is None or not _OTHER_PROCESS_STRUCT[0] <= version <= _OTHER_PROCESS_STRUCT[1]

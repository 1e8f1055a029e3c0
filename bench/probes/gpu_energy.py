"""Which energy counter is the GPU's own: on a superchip the usual one counts its processor and memory too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.probes.gpu_fields import GPU_SCOPE, MODULE_SCOPE, PER_MILLI, read_field

MODULE_ONLY = "the counter is the whole module's, its processor included"
_SAME_J, _SAME_RATIO = 100.0, 0.01  # two reads of one counter: it goes on between them, 100 J are 0.1 s at 1 kW
Counters = dict[str, Callable[[], float]]  # metric -> reads it, in joules since the driver was loaded


def energy_counters(nvml: Any, handle: Any) -> Counters:
    """`energy_j` of the GPU alone where there is such a counter, `module_energy_j` of a superchip."""

    def total() -> float:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * PER_MILLI)

    def own() -> float:  # in mJ; the header says "same as TOTAL_ENERGY_CONSUMPTION for the GPU"
        return read_field(nvml, handle, nvml.NVML_FI_DEV_ENERGY, GPU_SCOPE) * PER_MILLI

    if not is_superchip(nvml, handle):
        return {"energy_j": total}
    try:
        gpu_j, module_j = own(), total()
    except Exception:  # noqa: BLE001 - whatever the reason, no counter is known to be the GPU's own
        return {"module_energy_j": total}
    if abs(gpu_j - module_j) <= max(_SAME_J, _SAME_RATIO * module_j):
        return {"module_energy_j": total}
    return {"energy_j": own, "module_energy_j": total}


def is_superchip(nvml: Any, handle: Any) -> bool:
    """Whether GPU and processor are one module, whose power the card tells (GH200: Zeus, pull request 172).

    Both are needed: GB10 has the link between the chips but no power of a module, and its counter is the GPU's alone
    (Zeus, pull request 242); a board without that link has no processor in its module, whatever it says of its power.
    """
    try:
        if read_field(nvml, handle, nvml.NVML_FI_DEV_POWER_INSTANT, MODULE_SCOPE) <= 0:
            return False
        return bool(nvml.nvmlDeviceGetC2cModeInfoV(handle).isC2cEnabled)
    except Exception:  # noqa: BLE001 - an ordinary card's joules must not hang on how it takes this question
        return False

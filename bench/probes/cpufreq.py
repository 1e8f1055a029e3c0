"""Who sets the processors' clocks: a governor that saves power makes a thread that wakes for each token a slow one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_EPP_DRIVERS = ("intel_pstate", "amd-pstate-epp")  # their `powersave` means what the preference says


def clock_facts(cpus: Path = _CPUS) -> dict[str, str | None]:
    """Over all processors, as `performance` or `powersave ×12, performance ×4`; None where nobody says, as in a VM."""
    governor = _all_of(cpus, "scaling_governor")
    driver = _all_of(cpus, "scaling_driver")
    is_preferred = driver in _EPP_DRIVERS and governor is not None and "powersave" in governor
    return {
        "cpu_governor": governor,
        "cpu_clock_driver": driver,
        "cpu_energy_preference": _all_of(cpus, "energy_performance_preference") if is_preferred else None,
    }


def _all_of(cpus: Path, name: str) -> str | None:
    """The commonest first."""
    found = Counter(text for path in cpus.glob(f"cpu[0-9]*/cpufreq/{name}") if (text := _text(path)))
    if len(found) < 2:
        return next(iter(found), None)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{text} ×{count}" for text, count in ranked)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:  # a processor that went offline
        return ""

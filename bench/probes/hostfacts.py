"""Facts about the measuring host, its software and the project's commit; what cannot be had is None."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from bench import __version__
from bench.errors import PrerequisiteError
from bench.probes.cpufreq import clock_facts
from bench.probes.gpufacts import GpuHost, read_gpus, toolkit_version

PACKAGES = (
    "locust",
    "gevent",
    "xllamacpp",
    "prometheus-client",
    "psutil",
    "pyarrow",
    "pandas",
    "scipy",
    "tokenizers",
)
# Named facts that must be equal for launches to stand in one run: another host is another run.
CHECKED = (
    *("cpu_model", "cpu_cores", "cpu_governor", "numa_nodes", "memory_bytes", "kernel", "os"),
    *("gpu_driver", "gpu_cuda_driver", "gpus", "container_toolkit"),
    *("docker_version", "docker_storage_driver", "docker_containerd_store", "docker_rootless"),
)
DOCKER_FACTS = (
    *("docker_version", "docker_api", "docker_storage_driver", "docker_containerd_store", "docker_root"),
    *("docker_cgroup", "docker_rootless", "docker_runtimes", "docker_platform"),
)
_ASK_VERSIONS = """
import importlib.metadata as m, json, platform, sys
of = m.packages_distributions()
names = {d for module in sys.argv[1:] for d in of.get(module, [])}
print(json.dumps({"python": platform.python_version(), **{n: m.version(n) for n in sorted(names)}}))
"""
_TOOL_TIMEOUT_S = 30.0


def host_facts(*, containers: bool = True) -> dict[str, Any]:
    """What of this machine decides how fast it is. Without `containers` the container engine is not asked."""
    return {
        "cpu_model": _cpu_model(),
        "cpu_cores": os.cpu_count(),
        "cpu_cores_usable": len(os.sched_getaffinity(0)),
        "cpu_cores_quota": _cpu_quota(),
        **clock_facts(),
        "memory_bytes": psutil.virtual_memory().total,
        "swap_bytes": psutil.swap_memory().total,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "os": _os_name(),
        "virtualisation": _virtualisation(),
        "load_average_1m": os.getloadavg()[0],
        "numa_nodes": _numa_nodes(),
        **_gpu_facts(read_gpus()),
        "container_toolkit": toolkit_version() if containers else None,
        **(_docker_facts() if containers else dict.fromkeys(DOCKER_FACTS)),
    }


def _gpu_facts(host: GpuHost) -> dict[str, Any]:
    """`gpus` is empty where the driver finds none, None where there is no driver to ask."""
    gpus = None if host.problem else [asdict(gpu) for gpu in host.gpus]
    return {"gpu_driver": host.driver, "gpu_cuda_driver": host.cuda_driver, "gpus": gpus}


def _docker_facts() -> dict[str, Any]:
    try:
        from bench.dockerhost.client import connect, engine_facts  # the SDK takes a moment that only this pays
    except ModuleNotFoundError:  # the extra `run` is not installed
        return dict.fromkeys(DOCKER_FACTS)
    try:
        client = connect()
    except PrerequisiteError:
        return dict.fromkeys(DOCKER_FACTS)
    try:
        return dict.fromkeys(DOCKER_FACTS) | engine_facts(client)
    finally:
        client.close()


def _numa_nodes() -> dict[str, str] | None:
    """Node -> its processors; None where the kernel shows no nodes."""
    nodes = sorted(Path("/sys/devices/system/node").glob("node[0-9]*"), key=lambda path: int(path.name[4:]))
    return {path.name[4:]: _text(str(path / "cpulist")) or "" for path in nodes} or None


def versions() -> dict[str, str]:
    """Version of nimbench, of Python and of every package that has a hand in the numbers."""
    found = {"nimbench": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def arm_versions(python: str, modules: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Package versions behind an engine's modules, as the arm's own interpreter knows them."""
    if not modules:
        return ()
    out = _output([python, "-c", _ASK_VERSIONS, *modules])
    pairs = re.findall(r'"([^"]+)": "([^"]+)"', out or "")
    return tuple((name, version) for name, version in pairs)


def project_commit() -> dict[str, Any]:
    """Commit of this project's checkout and whether it has changes; empty outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    commit = _output(["git", "-C", str(root), "rev-parse", "HEAD"])
    changes = _output(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    if commit is None or changes is None:
        return {}
    return {"git_commit": commit.strip(), "git_dirty": bool(changes.strip())}


def differences(before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """`name: was A, is B` for each fact that changed; a fact within a fact that was not told then did not change."""
    return [
        f"{name}: was {before.get(name)!r}, is {now.get(name)!r}"
        for name in names
        if not _still(before.get(name), now.get(name))
    ]


def _still(before: Any, now: Any) -> bool:
    if isinstance(before, dict) and isinstance(now, dict):
        return all(_still(value, now.get(key)) for key, value in before.items())
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return len(before) == len(now) and all(map(_still, before, now))
    return bool(before == now)


def _cpu_model() -> str | None:
    match = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", _text("/proc/cpuinfo") or "", re.MULTILINE)
    return match[1] if match else None


def _cpu_quota() -> float | None:
    """Cores that the control group allows, None where it sets no limit."""
    quota, _, period = (_text("/sys/fs/cgroup/cpu.max") or "").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _virtualisation() -> str | None:
    """A hint only: the processor's hypervisor flag with the vendor's name, and whether this is a container."""
    hints = []
    if re.search(r"^flags\s*:.*\bhypervisor\b", _text("/proc/cpuinfo") or "", re.MULTILINE):
        hints.append(f"virtual machine ({_text('/sys/class/dmi/id/sys_vendor') or 'vendor not known'})")
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        hints.append("container")
    return ", ".join(hints) or None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8", errors="replace").strip()
    except OSError:
        return None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout

"""What a scenario asks of the GPUs, their driver, the way into containers, and the processors beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from bench.doctor.fact import Check, at_least
from bench.errors import PrerequisiteError
from bench.model import Scenario
from bench.probes.gpufacts import GpuFacts, GpuHost, read_gpus, toolkit_version
from bench.runtimes.placement import NUMA_NODE, choose_cpus, choose_gpus, found_gpus

# Either lets Docker's `--gpus` through: the first in every version, the second from Docker 29 on (moby#50228).
_HOOKS = ("nvidia-container-runtime-hook", "nvidia-cdi-hook")
_INSTALL_TOOLKIT = (
    "install NVIDIA's container toolkit (package nvidia-container-toolkit), then "
    "`sudo nvidia-ctk runtime configure --runtime=docker` and `sudo systemctl restart docker`"
)


def gpu_note() -> Check:
    """For a machine, or a scenario that names no GPU: good to know only."""
    host = read_gpus()
    repair = "install NVIDIA's driver where there is a GPU; without one, CPU engines run all the same"
    found = found_gpus(host)
    return Check(name="GPU", ok=bool(host.gpus), found=found, expected="for GPU arms only", repair=repair, needed=False)


def check_gpus(scenario: Scenario, engine: Mapping[str, Any] | None, *, in_containers: bool) -> Iterator[Check]:
    """Every check of a scenario's `gpu` and `host`; `engine` = facts of the container engine, None where it is mute."""
    host = read_gpus()
    groups: tuple[tuple[GpuFacts, ...], ...] = ((),)
    if scenario.gpu is None:
        yield gpu_note()
    else:
        try:
            groups = choose_gpus(scenario.gpu, host)
            found = "; then ".join(", ".join(f"{gpu.name} {gpu.uuid}" for gpu in group) for group in groups)
            repair, ok = "", True
        except PrerequisiteError as error:
            found, repair, ok = error.got or error.problem, error.repair or "", False
        expected = f"{scenario.gpu.count} × {scenario.gpu.name}, the name as NVML gives it"
        yield Check(name="GPU", ok=ok, found=found, expected=expected, repair=repair)
        yield from (_persistence(gpu) for group in groups for gpu in group)
    if scenario.host.driver_min:
        yield _driver(host, scenario.host.driver_min)
    if in_containers and (scenario.gpu or scenario.host.toolkit_min):
        yield _toolkit(scenario.host.toolkit_min, engine)
    if scenario.host.server_cpus or scenario.host.client_cpus:
        each = [_processors(scenario, group) for group in groups]
        yield next((check for check in each if not check.ok), each[0])


def _persistence(gpu: GpuFacts) -> Check:
    return Check(
        name=f"GPU {gpu.index}: persistence mode",
        ok=gpu.persistence is not False,
        found="off" if gpu.persistence is False else "on" if gpu.persistence else "not known",
        expected="on: without it the driver is loaded anew at each start, which counts as start-up time",
        repair=f"sudo nvidia-smi -i {gpu.index} -pm 1",
        needed=False,
    )


def _driver(host: GpuHost, minimum: str) -> Check:
    return Check(
        name="NVIDIA driver",
        ok=host.driver is not None and at_least(host.driver, minimum),
        found=host.driver or f"none ({host.problem})",
        expected=f"{minimum} or newer",
        repair="install a newer driver (on Ubuntu: `sudo ubuntu-drivers install --gpgpu`) and restart the host",
    )


def _toolkit(minimum: str | None, engine: Mapping[str, Any] | None) -> Check:
    """The toolkit has no place in Docker's API: its own program tells the version, its hooks and runtime the rest."""
    version, hook = toolkit_version(), next(filter(shutil.which, _HOOKS), None)
    ways = ["Docker's runtime nvidia"] if "nvidia" in ((engine or {}).get("docker_runtimes") or ()) else []
    ways += [hook] if hook else []
    old = version is not None and minimum is not None and not at_least(version, minimum)
    found = f"version {version}" if version else "version not known" if ways else "none"
    if old:
        repair = "upgrade the package nvidia-container-toolkit, then `sudo systemctl restart docker`"
    else:
        repair = "`nvidia-ctk --version` must answer" if ways and not version else _INSTALL_TOOLKIT
    return Check(
        name="NVIDIA container toolkit",
        ok=bool(ways) and not old and (version is not None or minimum is None),
        found=f"{found} ({', '.join(ways)})" if ways else f"{found}, and nothing that gives a GPU to a container",
        expected=f"{minimum} or newer" if minimum else "installed",
        repair=repair,
        needed=not ways or old,  # an unknown version stops nobody
    )


def _processors(scenario: Scenario, chosen: tuple[GpuFacts, ...]) -> Check:
    wanted = f"server on {scenario.host.server_cpus or 'all'}, load on {scenario.host.client_cpus or 'all'}"
    unknown = scenario.host.server_cpus == NUMA_NODE and not chosen and scenario.gpu is not None
    found, repair, ok = "not known without the GPU", "see the check of the GPU", False
    if not unknown:
        try:
            server, client = choose_cpus(scenario, chosen)
            found, repair, ok = f"server on {server or 'all'}, load on {client or 'all'}", "", True
        except PrerequisiteError as error:
            found, repair = "; ".join(filter(None, (error.problem, error.got))), error.repair or ""
    return Check(name="processors", ok=ok, found=found, expected=wanted, repair=repair, needed=not unknown)

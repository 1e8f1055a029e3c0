"""Where a run goes on this host: which GPUs, and which processors for the server and for the load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.container import Gpu, Placement, Prepared
from bench.errors import PrerequisiteError
from bench.model import Scenario
from bench.probes.gpufacts import GpuFacts, GpuHost, read_gpus

SYSFS = Path("/sys")
NUMA_NODE, REST = "gpu-numa-node", "rest"
_LOAD_SHARE = 4  # of a host that cannot be split by node, a suggestion leaves one part in four to the load


def place(scenario: Scenario, *, sysfs: Path = SYSFS, read: Callable[[], GpuHost] = read_gpus) -> tuple[Placement, ...]:
    """What the scenario asks for, on this host, the first block's first: one place, or several where its GPUs rotate.

    PrerequisiteError with what was found where it cannot be had.
    """
    groups = choose_gpus(scenario.gpu, read()) if scenario.gpu else ((),)
    return tuple(_place(scenario, group, sysfs) for group in groups)


def at_block(prepared: Prepared, block: int) -> Prepared:
    """As the launches of a block are placed."""
    if not prepared.places:
        return prepared
    return replace(prepared, placement=prepared.places[block % len(prepared.places)])


def _place(scenario: Scenario, chosen: Sequence[GpuFacts], sysfs: Path) -> Placement:
    server, client = choose_cpus(scenario, chosen, sysfs)
    return Placement(
        gpus=tuple(gpu.uuid for gpu in chosen),
        gpu_indices=tuple(gpu.index for gpu in chosen),
        server_cpus=server,
        client_cpus=client,
    )


def choose_gpus(wanted: Gpu, host: GpuHost) -> tuple[tuple[GpuFacts, ...], ...]:
    """The first of that exact name; where they rotate, group after group as far as whole ones go.

    Those cut into instances (MIG) are not whole GPUs.
    """
    right = [gpu for gpu in host.gpus if gpu.name == wanted.name and not gpu.mig]
    if len(right) >= wanted.count:
        begins = range(0, len(right) - wanted.count + 1, wanted.count) if wanted.rotate else (0,)
        return tuple(tuple(right[begin : begin + wanted.count]) for begin in begins)
    cut = [gpu for gpu in host.gpus if gpu.name == wanted.name and gpu.mig]
    repair = "measure on a host with that GPU, or write gpu.name as `nimbench doctor` shows it"
    if cut:
        repair = f"switch MIG off: sudo nvidia-smi -i {','.join(str(gpu.index) for gpu in cut)} -mig 0"
    raise PrerequisiteError(
        "this host does not have the GPUs of the scenario",
        where="gpu",
        expected=f"{wanted.count} × {wanted.name}",
        got=found_gpus(host),
        repair=repair,
    )


def found_gpus(host: GpuHost) -> str:
    """Names with their number, and which cannot be read, for a person."""
    names = [f"{gpu.name} (MIG on)" if gpu.mig else gpu.name for gpu in host.gpus]
    found = ", ".join(f"{names.count(name)} × {name}" for name in dict.fromkeys(names)) or "none"
    why = "; ".join(filter(None, (host.problem, *host.unreadable)))
    return f"{found} ({why})" if why else found


def choose_cpus(scenario: Scenario, gpus: Sequence[GpuFacts], sysfs: Path = SYSFS) -> tuple[str | None, str | None]:
    """The processors of the server and of the load, as cpuset lists; None where the scenario leaves it open."""
    needs, online = scenario.host, online_cpus(sysfs)
    server = _server(needs.server_cpus, gpus, online, sysfs) if needs.server_cpus else None
    client: set[int] | None = None
    if needs.client_cpus == REST:
        client = online - (server if server is not None else online)
        if not client:
            raise PrerequisiteError(
                "no processor is left for the load",
                where="host.client_cpus",
                expected=f"processors of this host ({cpu_list(online)}) beside the server's",
                got=f"the server has {cpu_list(server or online)}",
                repair=_split_by_hand(online),
            )
    elif needs.client_cpus:
        client = _listed("host.client_cpus", needs.client_cpus, online)
    return (cpu_list(server) if server is not None else None), (cpu_list(client) if client is not None else None)


def _server(wanted: str, gpus: Sequence[GpuFacts], online: set[int], sysfs: Path) -> set[int]:
    if wanted != NUMA_NODE:
        return _listed("host.server_cpus", wanted, online)
    if not gpus:
        raise PrerequisiteError(
            "the processors beside the GPU cannot be known without a GPU",
            where="host.server_cpus",
            expected="the key `gpu`, and that GPU on this host",
            repair="give a list instead, e.g. --set host.server_cpus=0-7",
        )
    near: set[int] = set()
    for gpu in gpus:
        near |= _near(gpu, online, sysfs)
    return near


def _near(gpu: GpuFacts, online: set[int], sysfs: Path) -> set[int]:
    """Online processors of the GPU's NUMA node; all of them where the firmware names none (-1)."""
    node = _text(sysfs / "bus" / "pci" / "devices" / (gpu.pci_bus_id or "unknown") / "numa_node")
    if node is None or int(node) < 0:
        return online
    listed = _text(sysfs / "devices" / "system" / "node" / f"node{node}" / "cpulist")
    return (parse_cpus(listed) & online if listed else set()) or online  # a node with memory alone has no processor


def _listed(where: str, wanted: str, online: set[int]) -> set[int]:
    cpus = parse_cpus(wanted) if wanted[0].isdigit() else set()  # `rest` is no list, nor is `gpu-numa-node`
    if not cpus or not cpus <= online:
        raise PrerequisiteError(
            f"this host has no processor {cpu_list(cpus - online)}" if cpus else "these are no processors",
            where=where,
            expected=f"processors among {cpu_list(online)}",
            got=wanted,
            repair=f"give others with --set {where}=LIST",
        )
    return cpus


def _split_by_hand(online: set[int]) -> str:
    cpus = sorted(online)
    if len(cpus) < 2:
        return "measure on a host with more than one processor"
    load = max(1, len(cpus) // _LOAD_SHARE)
    server, client = cpu_list(cpus[:-load]), cpu_list(cpus[-load:])
    return f"divide them by hand: --set host.server_cpus={server} --set host.client_cpus={client}"


def online_cpus(sysfs: Path = SYSFS) -> set[int]:
    """Those that the kernel schedules on."""
    return parse_cpus(_text(sysfs / "devices" / "system" / "cpu" / "online") or "0")


def parse_cpus(text: str) -> set[int]:
    """`0-2,8` as the kernel writes such lists."""
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def cpu_list(cpus: Iterable[int]) -> str:
    """The shortest such list, which is also the value of Docker's --cpuset-cpus."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None

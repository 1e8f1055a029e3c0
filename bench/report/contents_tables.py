"""The tables of the section on images: sizes, sharing, layers and groups; a column for each image looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.analysis.contents import (
    BANDWIDTH_BITS_PER_S,
    Totals,
    age_days,
    arch_bytes,
    pulled_bytes,
    shared_layers,
    totals,
    unpacked_bytes_per_s,
)
from bench.anatomy import ImageContents
from bench.report import format as fmt
from bench.report.setup import Fact
from bench.report.subject import Subject
from bench.vocabulary import ByteGroup

GROUPS: Mapping[ByteGroup, str] = {
    ByteGroup.GPU_LIBRARY: "GPU libraries",
    ByteGroup.PYTHON: "Python packages",
    ByteGroup.SYSTEM: "distribution packages",
    ByteGroup.UNOWNED: "owned by no package",
    ByteGroup.WEIGHTS: "weights",
    ByteGroup.BUILD_TOOL: "compilers, headers, static libraries",
    ByteGroup.CACHE: "caches",
    ByteGroup.BYTECODE: "bytecode",
    ByteGroup.DOCS: "manuals, locales, tests",
}
HIDDEN = "hidden by later layers"
_NONE = "none"
_MOST_LAYERS = 130  # Docker's own limit is 127
_MOST_ARCHS = 40


@dataclass(frozen=True, slots=True)
class Rate:
    """What seconds of a pull are reckoned with."""

    bits_per_s: float
    bandwidth_from: str
    unpacked_bytes_per_s: float | None

    @property
    def bandwidth(self) -> str:
        """`1 Gbit/s`."""
        giga = self.bits_per_s >= 1e9
        return fmt.exact(self.bits_per_s / (1e9 if giga else 1e6), "Gbit/s" if giga else "Mbit/s")

    def download(self, wire_bytes: int | None) -> str:
        """Seconds that these compressed bytes take on the wire."""
        return fmt.UNKNOWN if wire_bytes is None else fmt.quantity(wire_bytes * 8 / self.bits_per_s, "s")

    def unpack(self, disk_bytes: int) -> str:
        """Seconds that unpacking these bytes takes."""
        rate = self.unpacked_bytes_per_s
        return fmt.UNKNOWN if rate is None else fmt.quantity(disk_bytes / rate, "s")


@dataclass(frozen=True, slots=True)
class Layer:
    """A row of the table of layers."""

    place: int
    made_by: str
    wire: str
    disk: str
    files: str
    removed: str
    shared: bool


def looked_into(subject: Subject) -> dict[str, ImageContents]:
    """The arms whose image was taken apart, the baseline first."""
    found = subject.data.contents
    return {arm.name: found[arm.name] for arm in subject.arms if arm.name in found}


def rate_of(subject: Subject) -> Rate:
    """The scenario's own bandwidth, or a usual one; unpacking as this run measured it."""
    stated = subject.scenario.coldstart.bandwidth_bits_per_s
    contents = subject.data.contents
    records = [*subject.run.images.items(), *((o.launch.arm, o.launch.image) for o in subject.kept if o.launch.image)]
    pulls = [(r.pull, contents[arm].anatomy) for arm, r in records if r.pull and arm in contents]
    source = "the scenario's own" if stated else "assumed: the scenario states none"
    return Rate(stated or BANDWIDTH_BITS_PER_S, source, unpacked_bytes_per_s(pulls))


def total_facts(subject: Subject) -> tuple[Fact, ...]:
    """Sizes, sharing, waste, pins, age and user; an arm a column."""
    contents = looked_into(subject)
    columns = [
        _column(subject, one, totals(contents, arm), _grade(subject, contents, arm)) for arm, one in contents.items()
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    return tuple(Fact(name, tuple(fmt.safe_text(c.get(name, _NONE)) for c in columns)) for name in names)


def _grade(subject: Subject, contents: Mapping[str, ImageContents], name: str) -> str:
    """Of the arm's own files; where it is built on another arm's image, that one's beside it."""
    lint = contents[name].lint
    if lint is None:
        return "not built here"
    build = next(arm for arm in subject.arms if arm.name == name).build
    below = contents.get(build.base_arm) if build and build.base_arm else None
    return (
        f"{lint.grade}, on {build.base_arm} with {below.lint.grade}" if build and below and below.lint else lint.grade
    )


def _column(subject: Subject, one: ImageContents, total: Totals, grade: str) -> dict[str, str]:
    anatomy, inventory = one.anatomy, one.inventory
    age = age_days(inventory.base_created_utc, subject.run.created_utc)
    return {
        "compressed": _bytes(total.wire_bytes) + (" (estimated)" if anatomy.wire_is_estimate else ""),
        "compressed, in another arm's image too": _bytes(total.shared_wire_bytes),
        "compressed, in this image alone": _bytes(total.unique_wire_bytes),
        "on disk": _bytes(total.disk_bytes),
        "on disk, in another arm's image too": _bytes(total.shared_disk_bytes),
        "on disk, in this image alone": _bytes(total.unique_disk_bytes),
        "layers": fmt.number(len(anatomy.layers), 0),
        "share of the largest layer": fmt.percent(total.largest_layer_ratio),
        "files that a container sees": f"{fmt.number(anatomy.visible_files, 0)}, {_bytes(anatomy.visible_bytes)}",
        "efficiency, as dive counts it": fmt.quantity(anatomy.efficiency_ratio, "ratio", decimals=2),
        "written more than once, or deleted": _bytes(anatomy.wasted_bytes),
        "grade of its pins": grade,
        "user": inventory.user or "root",
        "age of the base": "not dated" if age is None else f"{fmt.number(age, 0)} days",
        "operating system": inventory.os or fmt.UNKNOWN,
        "engine": inventory.engine or fmt.UNKNOWN,
        "packages": fmt.number(len(inventory.packages), 0),
        "owned by no package": f"{fmt.number(inventory.unowned_files, 0)} files, {_bytes(inventory.unowned_bytes)}",
        "pip check, from the metadata": inventory.pip_check or "no Python packages",
        "platform": anatomy.platform,
        "taken apart": f"{fmt.duration(anatomy.wall_s)}, from {_source(anatomy.source)}",
    }  # fmt: skip


def _source(source: str) -> str:
    """A registry's address with its digest would widen the table; images/*.json has it."""
    return "its registry" if source.startswith(("http://", "https://")) else source or fmt.UNKNOWN


def still_pulled(subject: Subject) -> tuple[Fact, ...]:
    """For each image, what comes down onto a node that holds nothing, or one of the other images."""
    contents = looked_into(subject)
    rows = []
    for arm, one in contents.items():
        fetched = [_bytes(pulled_bytes(one.anatomy, []))]
        fetched += ["–" if arm == o else _bytes(pulled_bytes(one.anatomy, [contents[o].anatomy])) for o in contents]
        rows.append(Fact(arm, tuple(fetched)))
    return tuple(rows)


def layer_tables(subject: Subject) -> dict[str, tuple[Layer, ...]]:
    """The layers of each image, from the base up."""
    contents = looked_into(subject)
    return {arm: _layers(one, shared_layers(contents, arm)) for arm, one in contents.items()}


def _layers(one: ImageContents, shared: tuple[bool, ...]) -> tuple[Layer, ...]:
    rows = enumerate(zip(one.anatomy.layers, shared, strict=True), start=1)
    return tuple(
        Layer(
            place, instruction(layer.created_by), _bytes(layer.wire_bytes), _bytes(layer.disk_bytes),
            fmt.number(layer.files, 0), _bytes(layer.removed_bytes), is_shared,
        )
        for place, (layer, is_shared) in list(rows)[:_MOST_LAYERS]
    )  # fmt: skip


def instruction(created_by: str, limit: int = 160) -> str:
    """A line of the history, without what Docker puts around an instruction."""
    flat = " ".join(created_by.split()).removesuffix("# buildkit").strip()
    if flat.startswith("/bin/sh -c #(nop)"):
        flat = flat.removeprefix("/bin/sh -c #(nop)").strip()
    elif flat.startswith("/bin/sh -c "):
        flat = f"RUN {flat.removeprefix('/bin/sh -c ')}"
    return fmt.safe_text(flat.replace("RUN /bin/sh -c ", "RUN "), limit) or "not said"


def group_facts(subject: Subject) -> tuple[Fact, ...]:
    """What the visible bytes are, and what lies below them; a group that no image has is left out."""
    contents = looked_into(subject)
    rows = [(name, [group_bytes(one, group) for one in contents.values()]) for group, name in GROUPS.items()]
    rows.append((HIDDEN, [hidden_bytes(one) for one in contents.values()]))
    return tuple(Fact(name, tuple(map(_bytes, sizes))) for name, sizes in rows if any(sizes))


def group_bytes(one: ImageContents, group: ByteGroup) -> int:
    """Visible bytes of one group."""
    return one.anatomy.groups.get(group, 0)


def hidden_bytes(one: ImageContents) -> int:
    """Bytes that a host stores and no container sees."""
    return max(0, one.anatomy.disk_bytes - one.anatomy.visible_bytes)


def arch_facts(subject: Subject) -> tuple[Fact, ...]:
    """GPU code by architecture; `differs` marks the one of a GPU of this host."""
    sizes = [arch_bytes(one.anatomy) for one in looked_into(subject).values()]
    total: Callable[[str], int] = lambda arch: -sum(one.get(arch, 0) for one in sizes)  # noqa: E731
    archs = sorted({arch for one in sizes for arch in one}, key=lambda arch: (total(arch), arch))[:_MOST_ARCHS]
    here = needed_archs(subject)
    return tuple(
        Fact(
            fmt.safe_text(arch, 40), tuple(_bytes(one[arch]) if arch in one else _NONE for one in sizes),
            arch.rstrip("af") in here,
        )
        for arch in archs
    )  # fmt: skip


def needed_archs(subject: Subject) -> tuple[str, ...]:
    """The architectures of this host's GPUs, `sm_90`."""
    gpus = subject.run.host.get("gpus")
    found = (
        [g.get("compute_capability") for g in gpus if isinstance(g, Mapping)] if isinstance(gpus, list | tuple) else []
    )
    return tuple(dict.fromkeys(f"sm_{fmt.safe_text(one, 10).replace('.', '')}" for one in found if one))


def _bytes(size: float | None) -> str:
    return fmt.quantity(size, "bytes")

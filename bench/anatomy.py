"""The nouns of an image's inside: its layers, where its bytes are, what it is made of, and how well it is pinned.

Sizes are bytes; None means not known, never 0. `wire` is compressed, as a registry sends it; `tar` is the uncompressed
layer, whose SHA-256 is the diff id; `disk` is the content of the files that a layer puts onto the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.vocabulary import ByteGroup, PinRule


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAnatomy:
    """One layer, from the base up."""

    diff_id: str  # "sha256:…" of the uncompressed tar
    digest: str | None = None  # "sha256:…" of the blob in a registry; None where only the engine was asked
    created_by: str = ""  # the instruction, as the image's history has it
    created_utc: str | None = None
    wire_bytes: int | None = None
    tar_bytes: int = 0
    disk_bytes: int = 0
    files: int = 0  # regular files, hard links counted once
    removed_bytes: int = 0  # of files in lower layers that this one deletes or writes again


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package with what it occupies in the final image."""

    manager: str  # "pypi", "deb", "conda", "apk", "rpm": the type of its package URL
    name: str
    version: str
    disk_bytes: int = 0
    wire_bytes: int | None = None
    files: int = 0
    source: str | None = None  # where pip installed it from, if not from an index: a repository with its commit


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuBinary:
    """A file that carries code for GPUs."""

    path: str
    disk_bytes: int
    package: str | None = None  # "name version" of who owns it
    arch_bytes: Mapping[str, int] = field(default_factory=dict)  # "sm_90", "compute_90" (PTX) -> bytes in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class WastedPath:
    """A path that more than one layer writes; all but the last copy are carried for nothing."""

    path: str
    copies: int
    wasted_bytes: int
    layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """One thing to leave out. Savings overlap nowhere: their sum is what leaving out all of them gives."""

    what: str  # in words: "the wheel triton 3.5.0", "pip's cache"
    group: ByteGroup
    disk_bytes: int
    wire_bytes: int | None
    how: str  # the change of the Dockerfile that does it
    caution: str | None = None  # what may need it
    paths: tuple[str, ...] = ()  # some of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """An image taken apart. Bytes of the final image by group are a partition; `hidden` lies below it."""

    reference: str
    digest: str | None  # of the platform's manifest
    config_digest: str  # the image's id
    platform: str
    layers: tuple[LayerAnatomy, ...]
    disk_bytes: int  # of all layers together, what a host stores
    wire_bytes: int | None  # layers and config
    wire_is_estimate: bool = False  # by compressing a sample, where no registry has the image
    visible_bytes: int = 0  # of the files that a container sees
    visible_files: int = 0
    efficiency_ratio: float | None = None  # as dive counts it: smallest / cumulative size over all paths
    wasted_bytes: int = 0
    wasted: tuple[WastedPath, ...] = ()  # the largest ones
    groups: Mapping[ByteGroup, int] = field(default_factory=dict)  # visible bytes by what they are
    gpu_binaries: tuple[GpuBinary, ...] = ()
    savings: tuple[Saving, ...] = ()  # the ten largest
    wall_s: float | None = None  # of taking it apart
    source: str = ""  # the registry's address, or the engine
    doubts: tuple[str, ...] = ()  # what could not be read, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What an image is made of, by what its own files and labels say."""

    os: str | None = None  # PRETTY_NAME of os-release
    os_id: str | None = None  # "debian-12": ID and VERSION_ID of os-release
    python: str | None = None
    engine: str | None = None  # "vllm 0.32.0"
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    nccl: str | None = None
    tensorrt: str | None = None
    driver_required: str | None = None  # NVIDIA_REQUIRE_CUDA or a label, in words
    user: str = ""
    created_utc: str | None = None
    base_created_utc: str | None = None  # the oldest step of the history
    packages: tuple[Package, ...] = ()
    unowned_files: int = 0  # visible files that no package manager knows
    unowned_bytes: int = 0
    pip_check: str | None = None  # "ok", or what is broken, from the metadata in the image; None = no Python packages
    doubts: tuple[str, ...] = ()  # what could not be read, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class PinFinding:
    """One place where a build is not pinned, or carries what it does not need."""

    rule: PinRule | str  # ours, or hadolint's DL number
    file: str
    line: int  # 1-based
    text: str
    repair: str
    weight: int = 1  # how much it costs the grade; 0 = told only


@dataclass(frozen=True, slots=True, kw_only=True)
class DayZero:
    """The knowing, temporary exception: nightly builds for a model that no release supports yet."""

    reason: str
    until: str  # ISO date; after it the exception is an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What a linter says of the files of one build."""

    grade: str  # "A" to "F"
    findings: tuple[PinFinding, ...] = ()
    files: tuple[str, ...] = ()
    excused: tuple[PinFinding, ...] = ()  # by a day-zero exception that holds today
    day_zero: DayZero | None = None
    hadolint: str | None = None  # its version; None = not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageContents:
    """Everything that is known of one arm's image; images/<arm>.json of a run folder."""

    anatomy: Anatomy
    inventory: Inventory
    lint: Lint | None = None  # None = not built here: there is no Dockerfile to read

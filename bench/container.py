"""The nouns of containers: what an arm asks of a container engine, and what was learnt of its image.

Sizes are bytes, times seconds; None means not known, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.anatomy import DayZero
from bench.vocabulary import ImageAbsent, Ipc, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """State that outlives the container: a named volume, or a folder of the host."""

    target: str  # absolute path in the container
    volume: str | None = None  # a named volume, which takes the image's owner when it is first mounted
    path: str | None = None  # absolute folder or file of the host; `${...}` is filled in
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An image built from a folder. Exactly one of the three bases becomes the build argument BASE_IMAGE, or none."""

    context: str  # absolute folder with a Dockerfile
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    base_image: str | None = None  # a reference to pull
    base_arm: str | None = None  # another arm's image
    base_made: str | None = None  # an image made on this host by scenarios/_images: its name
    wheelhouse: str | None = None  # absolute path of a hash-locked requirements file, laid as wheels into wheelhouse/
    secrets: tuple[str, ...] = ()  # environment variables, given to the build as BuildKit secrets of that id
    pip_check: bool = True  # run `pip check` inside the result where it has Python
    day_zero: DayZero | None = None  # nightly builds are knowingly used


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Names of environment variables that hold secrets; values are read when a container is created, never before."""

    prepare_required: tuple[str, ...] = ()
    prepare_optional: tuple[str, ...] = ()
    run: tuple[str, ...] = ()  # of the measured start: best none


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How containers run, the same for all arms but for what an arm overrides."""

    network: Network = Network.PUBLISHED_LOOPBACK
    shm_bytes: int | None = None
    ipc: Ipc | None = None
    ulimits: Mapping[str, int] = field(default_factory=dict)  # soft = hard; -1 = unlimited
    user: str | None = None  # "uid:gid"
    read_only: bool = False  # the container's own layer
    memory_bytes: int | None = None  # a limit; the kernel kills what crosses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The one copy of the weights that container arms read, by its path inside them."""

    path: str  # absolute, inside every container
    from_arm: str | None = None  # the arm whose `prepare` brings them
    sha256: Mapping[str, str] = field(default_factory=dict)  # file name below `path` -> SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The GPUs of one arm."""

    name: str  # the exact name that NVML gives: PCIe, NVL and SXM are different machines
    count: int = 1
    rotate: bool = False  # over all such cards of the host, block by block; a block's arms share theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNeeds:
    """Least versions and the placement on processors."""

    driver_min: str | None = None
    docker_min: str | None = None
    toolkit_min: str | None = None  # NVIDIA container toolkit
    disk_min_bytes: int | None = None  # where the container engine keeps images
    server_cpus: str | None = None  # "gpu-numa-node" or a list such as "0-7,16"
    client_cpus: str | None = None  # "rest" or a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Coldstart:
    """What a run may destroy to measure a start from nothing."""

    image_absent: ImageAbsent = ImageAbsent.NEVER
    bandwidth_bits_per_s: float | None = None  # of the suite's own registry, all connections together; None = loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image on this host, as the engine describes it."""

    reference: str  # as it was asked for
    id: str  # "sha256:…"
    digest: str | None = None  # "sha256:…" of the manifest or index in a registry; None for one that was only built
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    created_utc: str | None = None
    disk_bytes: int | None = None  # as the engine counts; engines 29 count the compressed blobs too
    wire_bytes: int | None = None  # compressed layers and config in a registry
    layers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """One layer of a pull; seconds since the pull began."""

    id: str  # short digest, as the engine names it
    bytes: int | None = None  # compressed
    download_start_s: float | None = None
    download_end_s: float | None = None
    extract_start_s: float | None = None
    extract_end_s: float | None = None
    already_present: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRecord:
    """One pull, layer by layer."""

    reference: str
    wall_s: float
    layers: tuple[LayerTimes, ...] = ()
    downloaded_s: float | None = None  # when the last layer had come down
    began_monotonic_s: float | None = None  # CLOCK_MONOTONIC of this host when the engine was asked
    anonymous: bool = True  # whether no credentials were sent


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRecord:
    """One push to a registry."""

    reference: str
    wall_s: float
    digest: str | None = None
    layers_pushed: int = 0
    layers_present: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """One build, with everything that decides its result."""

    tool: str  # "BuildKit in docker 20.10.24", as the program names itself
    args: Mapping[str, str]
    base: str | None  # BASE_IMAGE with its id or digest
    dockerfile_sha256: str
    context_bytes: int
    wall_s: float
    cold: bool  # no step came from a cache
    cached_s: float | None = None  # the same build again, every step from the cache
    wheelhouse_files: int | None = None
    wheelhouse_bytes: int | None = None
    pip_check: str | None = None  # "ok", or what it found wrong; None = not asked, or no pip in the image


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """How an arm's image came onto this host, once in a run or before one launch."""

    facts: ImageFacts
    pull: PullRecord | None = None
    build: BuildRecord | None = None
    push: PushRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where launches go on a host, the same for every arm of a block."""

    gpus: tuple[str, ...] = ()  # UUIDs
    gpu_indices: tuple[int, ...] = ()  # of the same, by PCI bus: some engines cannot read a UUID
    server_cpus: str | None = None  # a cpuset list; None = all
    client_cpus: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What only a prepared host knows. `plan` works without it, and shows what is missing as a placeholder."""

    images: Mapping[str, ImageFacts] = field(default_factory=dict)  # arm -> its image
    profile_ids: Mapping[str, str] = field(default_factory=dict)  # arm -> 64-hex id of its NIM profile
    placement: Placement = Placement()
    places: tuple[
        Placement, ...
    ] = ()  # of a scenario whose GPUs rotate: block b runs on the one at b modulo their number
    tokenizer: str | None = None  # path of a tokenizer.json copied out of the weights
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container, ready to be created."""

    image: str  # by digest or id where known, so that a tag that moves changes nothing
    argv: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None  # None = the image's own
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()  # environment variables passed on by name
    port: int | None = None  # the server's, inside
    host_port: int | None = None  # on 127.0.0.1; equal to `port` with host networking
    settings: Container = field(default_factory=Container)
    mounts: tuple[Mount, ...] = ()
    gpus: tuple[str, ...] = ()  # UUIDs
    cpuset: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None

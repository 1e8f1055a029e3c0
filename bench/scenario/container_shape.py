"""The keys of scenario.yaml that speak of containers: images, builds, mounts, secrets, GPUs, the host."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench.scenario.units import Bandwidth, Date, Size, Text
from bench.vocabulary import ImageAbsent, Ipc, Network

Words = Annotated[str, Field(strict=True, min_length=1)]
Flag = Annotated[bool, Field(strict=True)]
# Docker's own rules; a name that breaks them would fail minutes later.
VolumeName = Annotated[str, Field(strict=True, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$")]
InnerPath = Annotated[str, Field(strict=True, pattern=r"^/[^:\x00]*$")]
Sha256 = Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]
Variable = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Version = Annotated[str, Field(strict=True, pattern=r"^\d+(\.\d+)*$")]
Cpus = Annotated[str, Field(strict=True, pattern=r"^(gpu-numa-node|rest|\d+(-\d+)?(,\d+(-\d+)?)*)$")]
Registry = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9.-]+(:\d{1,5})?$")]


def _none_as_empty(value: Any) -> Any:
    """`env:` with nothing under it means an empty one."""
    return {} if value is None else value


class Shape(BaseModel):
    """Base of all shapes: no key beyond those named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MountShape(Shape):
    """State that outlives the container."""

    volume: VolumeName | None = Field(default=None, description="a named volume: it takes the image's owner")
    path: Words | None = Field(default=None, description="a folder of this host; ${...} is filled in")
    target: InnerPath = Field(description="absolute path in the container")
    read_only: Flag = Field(default=False, description="the container cannot write there")


class BaseShape(Shape):
    """What stands in the Dockerfile's BASE_IMAGE."""

    image: Words | None = Field(default=None, description="a reference to pull; by digest, or pinned in scenario.lock")
    arm: Words | None = Field(default=None, description="the image of another arm of this scenario")
    made: Words | None = Field(default=None, description="an image made on this host, e.g. debian-bookworm")


class DayZeroShape(Shape):
    """The knowing, temporary exception to pinned versions: a model that only nightly builds support yet."""

    reason: Words = Field(description="why no release will do")
    until: Date = Field(description="the last day on which it holds, e.g. 2026-12-31; after it, it is an error")


class BuildShape(Shape):
    """An image built from a folder."""

    context: Words = Field(description="folder with a Dockerfile, relative to the scenario's folder")
    dockerfile: Words = Field(default="Dockerfile", description="its name in that folder")
    target: Words | None = Field(default=None, description="a stage of it")
    args: Annotated[dict[Variable, Text], BeforeValidator(_none_as_empty)] = Field(
        default_factory=dict, description="build arguments"
    )
    base: BaseShape | None = Field(default=None, description="given to the build as BASE_IMAGE")
    wheelhouse: Words | None = Field(
        default=None, description="hash-locked requirements file whose wheels lie in wheelhouse/ of the build"
    )
    secrets: list[Variable] = Field(default_factory=list, description="variables given as BuildKit secrets")
    pip_check: Flag = Field(default=True, description="run `pip check` in the finished image")
    day_zero: DayZeroShape | None = Field(default=None, description="nightly builds are knowingly used, until a date")


class PrepareSecretsShape(Shape):
    """Secrets of the step that downloads."""

    required: list[Variable] = Field(default_factory=list, description="a run refuses to start without them")
    optional: list[Variable] = Field(default_factory=list, description="passed on where they are set")


class SecretsShape(Shape):
    """Names of environment variables that hold secrets, and who may see them."""

    prepare: PrepareSecretsShape = Field(default_factory=PrepareSecretsShape)
    run: list[Variable] = Field(default_factory=list, description="of the measured start: best none")


class ContainerShape(Shape):
    """How containers run."""

    network: Network | None = Field(default=None, description="published-loopback (default) or host")
    shm_size: Size | None = Field(default=None, description="of /dev/shm, e.g. 16g")
    ipc: Ipc | None = Field(default=None, description="private or host")
    ulimits: dict[Variable, Annotated[int, Field(strict=True, ge=-1)]] | None = Field(
        default=None, description="e.g. memlock: -1"
    )
    user: Annotated[str, Field(strict=True, pattern=r"^\d+(:\d+)?$")] | None = Field(
        default=None, description="uid:gid; default: the image's"
    )
    read_only: Flag | None = Field(default=None, description="the container's own layer cannot be written")
    memory: Size | None = Field(default=None, description="a limit, e.g. 8g")


class WeightsShape(Shape):
    """The one copy of the weights that container arms read."""

    path: InnerPath = Field(description="absolute path inside every container")
    from_arm: Words | None = Field(default=None, description="the arm whose `prepare` brings them")
    sha256: dict[Words, Sha256] = Field(default_factory=dict, description="file name: SHA-256, checked before a run")


class GpuShape(Shape):
    """The GPUs of one arm."""

    name: Words = Field(description='the exact name that NVML gives, e.g. "NVIDIA H100 80GB HBM3"')
    count: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    rotate: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="block by block over all such cards of the host; a block's arms share theirs"
    )


class HostShape(Shape):
    """What the host must have, and who runs on which processors."""

    driver_min: Version | None = Field(default=None, description="NVIDIA driver")
    docker_min: Version | None = Field(default=None, description="Docker Engine")
    toolkit_min: Version | None = Field(default=None, description="NVIDIA container toolkit")
    disk_min: Size | None = Field(default=None, description="free where the container engine keeps images")
    server_cpus: Cpus | None = Field(default=None, description="gpu-numa-node, or a list such as 0-7")
    client_cpus: Cpus | None = Field(default=None, description="rest, or a list")


class ColdstartShape(Shape):
    """What a run may destroy to measure a start from nothing."""

    image_absent: ImageAbsent = Field(
        default=ImageAbsent.NEVER,
        description="once: before the first launch the images are removed, the build cache too, and pulled; "
        "each: before every launch the arm's image is built from nothing, pushed, removed and pulled",
    )
    bandwidth: Bandwidth | None = Field(
        default=None, description="of pulls from `registry: own`, all connections together; without it the loopback's"
    )


class DoseShape(Shape):
    """What a gigabyte costs: arms that differ in bytes alone, and arms whose times are predicted from them."""

    series: list[Words] = Field(min_length=3, description="arms of one engine with more and more ballast")
    predict: list[Words] = Field(default_factory=list, description="arms held against the prediction")
    pairs: list[Annotated[list[Words], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list, description="two arms of equal bytes that are packed otherwise"
    )
    packings: list[Words] = Field(
        default_factory=list,
        min_length=2,
        description="at least two arms with the same program, packed leaner or fatter: below which bandwidth the "
        "leaner ones come sooner to their first token than the fattest; without it no such bandwidth is told",
    )

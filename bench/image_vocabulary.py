"""The closed vocabularies of containers and images; `bench/vocabulary.py` hands them on."""

from enum import StrEnum


class Network(StrEnum):
    """How a container's server is reached from this host, and from nowhere else."""

    PUBLISHED_LOOPBACK = "published-loopback"
    HOST = "host"


class Ipc(StrEnum):
    """Whose shared memory a container uses."""

    PRIVATE = "private"
    HOST = "host"


class ImageAbsent(StrEnum):
    """Whether a run may remove its images once to measure their pull."""

    NEVER = "never"
    ONCE = "once"
    EACH = "each"  # before every launch it is built, pushed, removed and pulled


class ByteGroup(StrEnum):
    """What bytes of an image are; each visible byte counts in the first group that fits."""

    WEIGHTS = "weights"
    CACHE = "cache"  # of apt, pip, uv, conda, compilers
    BUILD_TOOL = "build_tool"  # compilers, headers, static libraries
    BYTECODE = "bytecode"
    DOCS = "docs"  # manuals, locales, test suites
    GPU_LIBRARY = "gpu_library"  # CUDA, cuDNN, NCCL, TensorRT
    PYTHON = "python"
    SYSTEM = "system"  # packages of the distribution
    UNOWNED = "unowned"  # files that no package manager knows


class PinRule(StrEnum):
    """The rules of `image lint`."""

    BASE_NOT_BY_DIGEST = "base-not-by-digest"
    BASE_LATEST = "base-latest"
    APT_NOT_PINNED = "apt-not-pinned"
    SYSTEM_NOT_PINNED = "system-not-pinned"  # apk, dnf, yum, zypper
    PIP_NOT_PINNED = "pip-not-pinned"
    PIP_NO_HASH = "pip-no-hash"
    CONDA_NOT_PINNED = "conda-not-pinned"
    NPM_NOT_PINNED = "npm-not-pinned"  # yarn and pnpm too
    URL_NO_CHECKSUM = "url-no-checksum"
    GIT_NOT_PINNED = "git-not-pinned"
    CACHE_LEFT = "cache-left"
    BUILD_TOOLS_LEFT = "build-tools-left"
    NIGHTLY = "nightly"
    DAY_ZERO_EXPIRED = "day-zero-expired"
    UNREADABLE = "unreadable"

"""Which releases of NVIDIA's libraries an image has, and which driver it asks for: packages, environment, labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bench.anatomy import Package


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where the version of one library is written."""

    package: str  # a pattern of names of wheels, of conda's and of the system's packages
    variables: tuple[str, ...]
    label: str | None = None
    numbers: int = 3  # how many of a version's numbers must be equal for two sources to agree


# Names of packages: NVIDIA's apt repository and wheels. Variables and labels: NVIDIA's CUDA and NGC images.
LIBRARIES = {
    "cuda": Library(
        package=r"nvidia-cuda-runtime(-cu\d+)?|cuda-cudart(-\d+-\d+)?",
        variables=("CUDA_VERSION",),
        label="com.nvidia.cuda.version",
        numbers=2,  # the runtime library 13.0.96 is of the toolkit 13.0.2
    ),
    "cudnn": Library(
        package=r"nvidia-cudnn-cu\d+|libcudnn\d+(-cuda-\d+)?|cudnn",
        variables=("NV_CUDNN_VERSION", "CUDNN_VERSION"),
        label="com.nvidia.cudnn.version",
    ),
    "nccl": Library(
        package=r"nvidia-nccl-cu\d+|libnccl2|nccl", variables=("NV_LIBNCCL_PACKAGE_VERSION", "NCCL_VERSION")
    ),
    "tensorrt": Library(
        package=r"tensorrt(-cu\d+)?(-libs)?|libnvinfer\d+", variables=("TRT_VERSION", "TENSORRT_VERSION")
    ),
}
_OF_TORCH = re.compile(r"\+cu(\d+)(\d)$")  # the wheel torch 2.13.0+cu130 is made for CUDA 13.0
_CONSTRAINT = re.compile(r"(\w+)(>=|<=|!=|<|>|=)([\w.]+)$")
_SIGNS = {">=": "≥", "<=": "≤", "!=": "≠", "=": "="}
_SUBJECTS = {"cuda": "a driver for CUDA", "driver": "driver", "arch": "compute capability", "brand": "brand"}
DRIVER_CHARACTERS = 2000


def library_version(
    library: Library, packages: Iterable[Package], env: Mapping[str, str], labels: Mapping[str, str]
) -> str | None:
    """One version where all sources agree; else every one with who says it. None: nobody says."""
    said = dict(_said(library, packages, env, labels))
    if not said:
        return None
    if len({tuple(_plain(version).split(".")[: library.numbers]) for version in said.values()}) == 1:
        return _plain(next(iter(said.values())))
    return ", ".join(f"{_plain(version)} ({who})" for who, version in said.items())


def _said(
    library: Library, packages: Iterable[Package], env: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    packages = sorted(packages, key=lambda package: (package.manager != "pypi", package.name))
    for package in packages:
        if re.fullmatch(library.package, package.name.lower().replace("_", "-")):
            yield f"{package.manager} {package.name}", package.version
    if library is LIBRARIES["cuda"]:
        for package in packages:
            if package.name == "torch" and (match := _OF_TORCH.search(package.version)):
                yield "torch", f"{match[1]}.{match[2]}"
    for name in library.variables:
        if env.get(name):
            yield name, env[name]
    if library.label is not None and labels.get(library.label):
        yield library.label, labels[library.label]


def _plain(version: str) -> str:
    """Without Debian's revision or what a build was made for: 2.29.7-1+cuda13.0 is 2.29.7."""
    return re.split(r"[-+]", version.strip().rpartition(":")[2], maxsplit=1)[0][:50]


def driver_required(env: Mapping[str, str]) -> str | None:
    """NVIDIA_REQUIRE_* in words. A space is an or, a comma an and, and every variable must hold."""
    if env.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "true", "yes", "on"):
        return None
    wanted = [env[name] for name in sorted(env) if name.startswith("NVIDIA_REQUIRE_") and env[name].strip()]
    return "; and ".join(_either(text) for text in wanted)[:DRIVER_CHARACTERS] or None


def _either(text: str) -> str:
    """Alternatives that differ in the brand alone are told together."""
    brands: dict[str, list[str]] = {}
    for alternative in text.split():
        parts = alternative.split(",")
        brand = [part.removeprefix("brand=") for part in parts if part.startswith("brand=")]
        rest = [part for part in parts if not part.startswith("brand=")]
        brands.setdefault(_all_of(rest), []).extend(brand)
    told = (f"{rest} on {', '.join(names)}".strip() if names else rest for rest, names in brands.items())
    return ", or ".join(told)


def _all_of(constraints: Iterable[str]) -> str:
    """driver>=470,driver<471 → driver ≥ 470 and < 471."""
    words, subject = list[str](), ""
    for text in constraints:
        match = _CONSTRAINT.match(text)
        if match is None:
            words.append(text)
            continue
        name = _SUBJECTS.get(match[1].lower(), match[1])
        words.append(f"{'' if name == subject else name + ' '}{_SIGNS.get(match[2], match[2])} {match[3]}")
        subject = name
    return " and ".join(words)

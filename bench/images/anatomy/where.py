"""Where the bytes of an image are: every file a container sees belongs to exactly one group, the first that fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.anatomy import Package
from bench.images.anatomy.entries import Ownership, Visible
from bench.vocabulary import ByteGroup

LARGE_BYTES = 50_000_000  # .bin, .pt and the like may be anything; from here on they are a model's


@dataclass(frozen=True, slots=True)
class File:
    """What the rules look at."""

    path: str
    bytes: int
    manager: str = ""  # of the package that owns it; "" = nobody's
    package: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Files of one kind; the table is read from its top."""

    group: ByteGroup
    kind: str  # one word for what it is, by which savings are made
    fits: Callable[[File], bool]


def _path(pattern: str) -> Callable[[File], bool]:
    found = re.compile(pattern).search
    return lambda file: found(file.path) is not None


def _deb(pattern: str) -> Callable[[File], bool]:
    named = re.compile(pattern).fullmatch
    return lambda file: file.manager in ("deb", "rpm", "apk") and named(file.package) is not None


def _wheel(pattern: str) -> Callable[[File], bool]:
    named = re.compile(pattern).fullmatch
    return lambda file: file.manager in ("pypi", "conda") and named(file.package) is not None


def _large(pattern: str) -> Callable[[File], bool]:
    found = re.compile(pattern).search
    return lambda file: file.bytes >= LARGE_BYTES and found(file.path) is not None


COMPILERS = (
    r"(gcc|g\+\+|cpp|clang|llvm|gfortran|binutils|build-essential|cmake|ninja-build|make|automake|autoconf|libtool|bison|flex|patch|git|"
    r"dpkg-dev|pkg-config|pkgconf|cython3?|rustc|cargo|golang|swig|meson|gdb|ccache)(-.*|\d.*)?"
    r"|lib(gcc|stdc\+\+)-\d+-dev|libc6-dev|libc-dev-bin|linux-libc-dev|.*-dev|libbinutils|libctf.*|libgprofng0|libcc1-0"
    r"|(liba|libt|libl|libub)san\d+|cuda-(nvcc|cuobjdump|nvprune|gdb|nsight|sanitizer|minimal-build|command-line-tools).*"
)
GPU_SONAMES = (
    r"(^|/)lib(cu(blas|blasLt|dnn|fft|fftw|file|inj64|pti|rand|solver|solverMg|sparse|sparseLt|dart|da|tensor|dss|blasdx|vs)"
    r"|nccl|nvinfer|nvonnxparser|nvparsers|nvrtc|nvJitLink|nvjitlink|nvToolsExt|nvshmem|nvperf|nvfatbin|nvvm|nvjpeg|npp|nvblas|nvptxcompiler"
    r"|nvidia-ml|caffe2_nvrtc|checkpoint|pcsamplingutil)[\w.+-]*\.so(\.[\d.]+)?$"
)
CACHE_OF_ANYTHING = (
    r"^(root|home/[^/]+)/\.(cache|npm|cargo/registry|gradle|m2|ccache)/|^var/(cache/(?!debconf/)|log/|tmp/)|^tmp/"
)
COMPILED_KERNELS = r"(^|/)(\.triton|torchinductor_[^/]+|\.nv/ComputeCache|\.inductor_cache)/"
CONDA_ARCHIVES = r"(^|/)(mini)?(conda|forge|mamba|micromamba)\d?/pkgs/"
COMPILER_WHEELS = (
    r"cmake|ninja|cython|maturin|meson(-python)?|scikit-build(-core)?|nvidia-cuda-(nvcc|cuobjdump|crt)(-cu\d+)?"
)
HEADERS = r"\.(h|hpp|hh|cuh|hxx|inl|inc|pxd)$|(^|/)include/|/(share|lib)/cmake/|\.cmake$|/pkgconfig/"
MANUALS = r"^usr/(local/)?share/(doc|man|info|lintian|gtk-doc|help|bug)/"
LOCALES = r"^usr/(local/)?share/(locale|i18n)/|^usr/lib/locale/(?!C\.)"
TESTS = r"/(site|dist)-packages/(.+/)?(tests?|testsuite)/"
GPU_WHEELS = r"nvidia-.*|tensorrt(-cu\d+)?([-_]libs)?|cuda-(bindings|toolkit)"
GPU_DEBS = (
    r"cuda-.*|libcu(blas|fft|rand|solver|sparse|file|dnn|tensor|sparselt).*"
    r"|libn(ccl|pp|vjitlink|vjpeg|vinfer|vrtc).*|tensorrt.*"
)
MODEL_FORMATS = r"\.(safetensors|gguf|ggml|ckpt)$"  # they hold nothing but weights
ANY_FORMATS = r"\.(bin|pt|pth|onnx|npz|engine|plan|h5|nemo|tflite)$"

RULES = (
    Rule(ByteGroup.WEIGHTS, "weights", _path(MODEL_FORMATS)),
    Rule(ByteGroup.WEIGHTS, "weights", _large(ANY_FORMATS)),
    Rule(ByteGroup.CACHE, "apt", _path(r"^var/(lib/apt/lists|cache/apt)/")),
    Rule(ByteGroup.CACHE, "pip", _path(r"^(root|home/[^/]+)/\.cache/(pip|uv|pypoetry)/")),
    Rule(ByteGroup.CACHE, "conda", _path(CONDA_ARCHIVES)),  # archives and what was unpacked of them
    Rule(ByteGroup.CACHE, "kernels", _path(COMPILED_KERNELS)),  # of some start; found again at the next
    Rule(ByteGroup.CACHE, "other", _path(CACHE_OF_ANYTHING)),
    Rule(ByteGroup.BUILD_TOOL, "static", _path(r"\.(a|la|o)$")),  # for linkers only
    Rule(ByteGroup.BUILD_TOOL, "compiler", _deb(COMPILERS)),
    Rule(ByteGroup.BUILD_TOOL, "compiler", _wheel(COMPILER_WHEELS)),
    Rule(ByteGroup.BUILD_TOOL, "headers", _path(HEADERS)),  # for compilers only
    Rule(ByteGroup.BYTECODE, "bytecode", _path(r"\.py[co]$")),  # Python writes them again from the sources
    Rule(ByteGroup.DOCS, "docs", _path(MANUALS)),
    Rule(ByteGroup.DOCS, "locale", _path(LOCALES)),
    Rule(ByteGroup.DOCS, "tests", _path(TESTS)),
    Rule(ByteGroup.GPU_LIBRARY, "gpu", _path(GPU_SONAMES)),
    Rule(ByteGroup.GPU_LIBRARY, "gpu", _wheel(GPU_WHEELS)),
    Rule(ByteGroup.GPU_LIBRARY, "gpu", _deb(GPU_DEBS)),
    Rule(ByteGroup.PYTHON, "python", lambda file: file.manager in ("pypi", "conda")),
    Rule(ByteGroup.SYSTEM, "system", lambda file: file.manager != ""),
    Rule(ByteGroup.UNOWNED, "unowned", lambda _file: True),
)


def rule_of(file: File) -> Rule:
    """The first rule that fits; the last one fits all."""
    return next(rule for rule in RULES if rule.fits(file))


def classified(visible: Visible, ownership: Ownership) -> Mapping[str, tuple[File, Rule]]:
    """Path -> what it is, for every file that occupies something."""
    files = {}
    for path, entry in visible.files.items():
        if entry.disk_bytes <= 0:
            continue
        index = ownership.owner.get(path)
        manager, name = ownership.packages[index][:2] if index is not None else ("", "")
        file = File(path, entry.disk_bytes, manager, name.lower().replace("_", "-") if manager == "pypi" else name)
        files[path] = (file, rule_of(file))
    return files


def groups(visible: Visible, ownership: Ownership, _packages: Sequence[Package] = ()) -> Mapping[ByteGroup, int]:
    """Visible bytes by what they are: a partition."""
    sums: dict[ByteGroup, int] = {}
    for file, rule in classified(visible, ownership).values():
        sums[rule.group] = sums.get(rule.group, 0) + file.bytes
    return dict(sorted(sums.items(), key=lambda pair: -pair[1]))

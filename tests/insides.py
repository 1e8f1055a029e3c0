"""Hand-made insides of images whose every byte is known; layers with one name are the same layer."""

from __future__ import annotations

import hashlib
from typing import Any

from bench.anatomy import (
    Anatomy,
    GpuBinary,
    ImageContents,
    Inventory,
    LayerAnatomy,
    Lint,
    Package,
    PinFinding,
    Saving,
    WastedPath,
)
from bench.vocabulary import ByteGroup, PinRule

CONFIG_BYTES = 5_000
MB = 1_000_000
BASE = (("debian", 28 * MB, 74 * MB), ("python", 12 * MB, 40 * MB))


def sha(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def layer(name: str, wire_bytes: int | None, disk_bytes: int, **changes: Any) -> LayerAnatomy:
    """A layer; `digest=None` for one that no registry was asked for."""
    values: dict[str, Any] = {
        "diff_id": sha(f"tar {name}"), "digest": sha(f"blob {name}"), "created_by": f"RUN make {name}",
        "wire_bytes": wire_bytes, "tar_bytes": disk_bytes + 10_240, "disk_bytes": disk_bytes, "files": 7,
    }  # fmt: skip
    return LayerAnatomy(**{**values, **changes})


def anatomy(*layers: LayerAnatomy, **changes: Any) -> Anatomy:
    """An image of these layers and a config."""
    wire = [one.wire_bytes for one in layers]
    disk_bytes = sum(one.disk_bytes for one in layers)
    values: dict[str, Any] = {
        "reference": "computed:1", "digest": sha("manifest"), "config_digest": sha("config"),
        "platform": "linux/amd64", "layers": layers, "disk_bytes": disk_bytes, "visible_bytes": disk_bytes,
        "wire_bytes": None if None in wire else CONFIG_BYTES + sum(size or 0 for size in wire), "visible_files": 21,
        "efficiency_ratio": 1.0, "groups": {ByteGroup.SYSTEM: disk_bytes}, "wall_s": 1.5, "source": "computed",
    }  # fmt: skip
    return Anatomy(**{**values, **changes})


def contents(*layers: LayerAnatomy, lint: Lint | None = None, inventory: Inventory | None = None, **changes: Any):
    return ImageContents(anatomy=anatomy(*layers, **changes), inventory=inventory or Inventory(), lint=lint)


def finding(rule: PinRule, line: int, text: str, weight: int = 1) -> PinFinding:
    return PinFinding(
        rule=rule, file="custom/Dockerfile", line=line, text=text, repair="name one version", weight=weight
    )


def rich(name: str, *, extra_mb: int = 0, grade: str = "C", torch: str = "2.9.1") -> ImageContents:
    """An image with something in every part of the section: base shared, engine its own."""
    layers = (
        *(layer(*one) for one in BASE),
        layer("apt", 90 * MB, 310 * MB, files=9_100),
        *(layer(f"small {place}", 400, 900, files=1) for place in range(4)),
        layer(f"wheels of {name}", 1_450 * MB, 3_600 * MB, files=41_000, removed_bytes=2 * MB),
        layer(f"extra of {name}", (20 + extra_mb) * MB, (60 + 2 * extra_mb) * MB),
    )
    disk = sum(one.disk_bytes for one in layers)
    hidden = 2 * MB
    parts = {
        ByteGroup.GPU_LIBRARY: 0.41, ByteGroup.PYTHON: 0.37, ByteGroup.SYSTEM: 0.07, ByteGroup.BUILD_TOOL: 0.05,
        ByteGroup.CACHE: 0.03, ByteGroup.BYTECODE: 0.03, ByteGroup.DOCS: 0.01,
    }  # fmt: skip
    groups = {group: int(share * (disk - hidden)) for group, share in parts.items()}
    groups[ByteGroup.UNOWNED] = disk - hidden - sum(groups.values())
    archs = {"sm_80": 140 * MB, "sm_90": 160 * MB, "sm_90a": 20 * MB, "compute_90": 8 * MB}
    packages = (
        Package(manager="pypi", name="torch", version=torch, disk_bytes=1_700 * MB, wire_bytes=800 * MB, files=11_000),
        Package(manager="pypi", name=f"only-{name}", version="1.0", disk_bytes=12 * MB),
        Package(manager="deb", name="libc6", version="2.36-9+deb12u10", disk_bytes=13 * MB),
    )
    return contents(
        *layers,
        lint=Lint(
            grade=grade,
            findings=(
                finding(PinRule.BASE_NOT_BY_DIGEST, 1, "FROM python:3.12-slim", 2),
                finding(PinRule.APT_NOT_PINNED, 4, "apt-get install -y gcc"),
                finding("DL3015", 4, "Avoid additional packages", 0),  # type: ignore[arg-type]
            ),
            files=("/somewhere/custom/Dockerfile", "/somewhere/custom/requirements.lock"),
        ),
        inventory=Inventory(
            os="Debian GNU/Linux 12 (bookworm)", python="3.12.11", engine="vllm 0.32.0", torch=torch, cuda="12.9",
            created_utc="2025-12-30T10:00:00Z", base_created_utc="2025-11-12T00:00:00Z", packages=packages,
            unowned_files=120, unowned_bytes=3 * MB, pip_check="ok",
        ),
        visible_bytes=disk - hidden, visible_files=50_000, efficiency_ratio=0.9994, wasted_bytes=2 * hidden,
        wasted=(WastedPath(path="usr/lib/x.so", copies=2, wasted_bytes=2 * hidden, layers=(2, 7)),), groups=groups,
        gpu_binaries=(GpuBinary(path="opt/libtorch_cuda.so", disk_bytes=900 * MB, arch_bytes=archs),),
        savings=(
            Saving(
                what="the wheel triton 3.5.0", group=ByteGroup.PYTHON, disk_bytes=440 * MB, wire_bytes=170 * MB,
                how="RUN pip uninstall -y triton, in the stage that installs the wheels",
                caution="torch 2.9.1 names it among its requirements", paths=("opt/venv/lib/python3.12/triton",),
            ),
            Saving(
                what="compilers of Debian", group=ByteGroup.BUILD_TOOL, disk_bytes=210 * MB, wire_bytes=61 * MB,
                how="install gcc in a stage of its own and COPY --from= what it made",
            ),
        ),
    )  # fmt: skip

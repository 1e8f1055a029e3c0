"""Every visible byte belongs to one group, and to the right one."""

from __future__ import annotations

import pytest

from bench.images.anatomy.entries import Ownership
from bench.images.anatomy.packages import owners
from bench.images.anatomy.where import LARGE_BYTES, File, groups, rule_of
from bench.vocabulary import ByteGroup
from tests.images.anatomy.laid import laid, wheel

SITE = "opt/venv/lib/python3.12/site-packages"
BIG = LARGE_BYTES


@pytest.mark.parametrize(
    ("path", "size", "owner", "group"),
    [
        ("models/model.safetensors", 5, ("", ""), "weights"), ("models/m.bin", BIG, ("", ""), "weights"),
        ("usr/lib/firmware/x.bin", 999, ("deb", "firmware-x"), "system"),
        ("root/.cache/huggingface/hub/x/model.gguf", 5, ("", ""), "weights"),
        ("var/lib/apt/lists/deb_dists_main", 5, ("", ""), "cache"), ("root/.cache/pip/http/a", 5, ("", ""), "cache"),
        ("opt/conda/pkgs/x.conda", 5, ("", ""), "cache"),
        ("var/cache/debconf/config.dat", 5, ("deb", "debconf"), "system"),
        ("home/u/.triton/cache/k.cubin", 5, ("", ""), "cache"), ("tmp/build/x.o", 5, ("", ""), "cache"),
        ("usr/lib/gcc/x86_64-linux-gnu/12/cc1plus", 5, ("deb", "g++-12"), "build_tool"),
        ("usr/lib/x86_64-linux-gnu/libgcc_s.so.1", 5, ("deb", "libgcc-s1"), "system"),
        ("usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", 5, ("deb", "libstdc++6"), "system"),
        ("usr/lib/x86_64-linux-gnu/libgomp.so.1", 5, ("deb", "libgomp1"), "system"),
        ("usr/bin/git", 5, ("deb", "git"), "build_tool"), ("usr/bin/gitk", 5, ("deb", "gitk"), "system"),
        ("usr/include/x.h", 5, ("deb", "libpython3.11-dev"), "build_tool"),
        ("usr/lib/libx.a", 5, ("", ""), "build_tool"),
        (f"{SITE}/torch/include/ATen/ATen.h", 5, ("pypi", "torch"), "build_tool"),
        (f"{SITE}/torch/__pycache__/x.cpython-312.pyc", 5, ("pypi", "torch"), "bytecode"),
        (f"{SITE}/numpy/tests/test_x.py", 5, ("pypi", "numpy"), "docs"),
        (f"{SITE}/numpy/testing/x.py", 5, ("pypi", "numpy"), "python"),
        ("usr/share/doc/x/changelog.gz", 5, ("deb", "x"), "docs"),
        ("usr/share/locale/de/x.mo", 5, ("deb", "x"), "docs"),
        ("usr/lib/locale/C.utf8/LC_CTYPE", 5, ("deb", "libc-bin"), "system"),
        (f"{SITE}/nvidia/cublas/lib/libcublasLt.so.12", 5, ("pypi", "nvidia-cublas-cu12"), "gpu_library"),
        (f"{SITE}/nvidia/cudnn/lib/libcudnn_adv.so.9", 5, ("pypi", "nvidia-cudnn-cu12"), "gpu_library"),
        ("usr/lib/x86_64-linux-gnu/libnccl.so.2.27.3", 5, ("deb", "libnccl2"), "gpu_library"),
        ("usr/local/cuda/lib64/libnvinfer.so.10", 5, ("", ""), "gpu_library"),
        ("usr/lib/libcurl.so.4", 5, ("deb", "libcurl4"), "system"),
        ("usr/lib/libcups.so.2", 5, ("deb", "libcups2"), "system"),
        (f"{SITE}/torch/lib/libtorch_cuda.so", 5, ("pypi", "torch"), "python"),
        (f"{SITE}/mine.py", 5, ("", ""), "unowned"), ("opt/app/server", 5, ("", ""), "unowned"),
    ],
)  # fmt: skip
def test_a_file_is_in_its_group(path: str, size: int, owner: tuple[str, str], group: str) -> None:
    assert rule_of(File(path, size, *owner)).group == ByteGroup(group)


def test_groups_are_a_partition_of_what_a_container_sees() -> None:
    files = wheel(SITE, "torch", "2.9.1", "torch/a.py", "torch/lib/x.so")
    visible = laid(
        files,
        sizes={
            f"{SITE}/torch/a.py": 10,
            f"{SITE}/torch/lib/x.so": 1000,
            "opt/app": 7,
            "var/lib/apt/lists/a": 3,
            "empty": 0,
        },
        symlinks={"bin/app": "../opt/app"},
        hardlinks={"opt/app2": "opt/app"},
    )
    found = groups(visible, owners(visible))
    assert sum(found.values()) == sum(entry.disk_bytes for entry in visible.files.values())
    assert (found[ByteGroup.CACHE], found[ByteGroup.UNOWNED]) == (3, 7)
    assert found[ByteGroup.PYTHON] == 1010 + sum(len(text) for text in files.values())


def test_an_empty_image_has_no_groups() -> None:
    assert groups(laid(), Ownership()) == {}

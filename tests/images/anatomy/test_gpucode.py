"""GPU code in binaries: made bytes cut in every way, and NVIDIA's own wheels held against NVIDIA's own cuobjdump."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from bench.images.anatomy.binary import SYMBOLS, scanner_for
from bench.images.anatomy.gpucode import FatbinScanner
from tests.images.anatomy.fatbins import (
    COMPRESSED,
    CONCATENATED,
    ELF,
    FLAG_A,
    FLAG_F,
    NVVM,
    PTX,
    container,
    device_elf,
    entry,
    library,
)

ODD = container(
    entry(ELF, 80, b"x" * 1001),
    entry(ELF, 90, b"x" * 100, flags=0x11 | FLAG_A),
    entry(ELF, 100, b"x" * 50, flags=0x1000011 | FLAG_F | COMPRESSED, header_bytes=120),
    entry(PTX, 120, b".version 8.8", flags=0x8011, header_bytes=80),
)
ODD_FOUND = {"sm_80": 64 + 1008, "sm_90a": 64 + 104, "sm_100f": 120 + 56, "compute_120": 80 + 16}


def scan(content: bytes, step: int = 1 << 16) -> dict[str, int]:
    scanner = FatbinScanner()
    for at in range(0, len(content), step):
        scanner.feed(content[at : at + step])
    return dict(scanner.found())


@pytest.mark.parametrize("step", [1, 2, 3, 7, 16, 63, 64, 65, 1000, 1 << 20])
def test_what_is_found_does_not_depend_on_how_the_stream_is_cut(step: int) -> None:
    assert scan(library(b"abc", ODD, bytes(5), ODD), step) == {name: size * 2 for name, size in ODD_FOUND.items()}


def test_every_kind_of_entry_has_its_name() -> None:
    kinds = container(
        entry(NVVM, 90, b"x" * 8), entry(CONCATENATED, 0, b"x" * 8), entry(16, 90, b"x" * 8), entry(64, 90, b"x" * 8)
    )
    assert scan(library(kinds)) == {"lto_90": 72, "several": 72, "sm_90": 72, "other_90": 72}  # fmt: skip


def test_a_magic_inside_a_payload_is_payload() -> None:
    assert scan(library(container(entry(ELF, 80, ODD)))) == {"sm_80": 64 + len(ODD)}


def test_code_that_compares_with_the_magic_is_no_container() -> None:
    compares = b"\x81\x38\x50\xed\x55\xba\x75\x10" * 3  # cmp dword [rax], 0xba55ed50; jne
    assert scan(library(compares, ODD)) == ODD_FOUND


def test_another_vendors_bundle_and_a_text_hold_nothing() -> None:
    assert scan(library(b"__CLANG_OFFLOAD_BUNDLE__" + bytes(200), b"HIPF" + bytes(60))) == {}
    assert scan(b"import torch  # " + ODD) == {}
    assert scanner_for("a/b.py", 10_000) is None and scanner_for("lib/libx.so.1.2", 10_000) is not None


@pytest.mark.parametrize("cut", [20, 60, 70, 200, 1200])
def test_a_container_that_is_cut_off_tells_what_its_headers_said(cut: int) -> None:
    found = scan(library()[:64] + ODD[:cut])
    assert set(found) <= set(ODD_FOUND)


def test_a_size_beyond_its_container_or_of_exbibytes_ends_the_container_alone() -> None:
    lies = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 1 << 63) + entry(ELF, 80, b"x" * 8)
    lies += struct.pack("<HHIQ", 2, 0x101, 64, (1 << 64) - 64) + bytes(64)
    assert scan(library(lies, ODD)) == {**ODD_FOUND, "sm_80": ODD_FOUND["sm_80"] + 72}


def test_a_device_elf_of_its_own_names_its_architecture_by_the_version_of_its_interface() -> None:
    assert scan(device_elf(abi=7, flags=0x5A055A)) == {"sm_90": 152}
    assert scan(device_elf(abi=8, flags=0x6006402), step=5) == {"sm_100": 152}


def test_a_large_library_needs_no_memory_of_its_size() -> None:
    scanner, chunk = FatbinScanner(), library(ODD).ljust(1 << 20, b"\xed")
    tracemalloc.start()
    for _ in range(64):
        scanner.feed(chunk)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 << 20
    assert scanner.found() == {name: size * 64 for name, size in ODD_FOUND.items()}


# What is fetched for the comparison, pinned: NVIDIA's own reader, and wheels of CUDA 11.8 to 13.2 with PTX, with code
# that is compressed in both ways or not at all, with "sm_90a", and with AMD's bundles.
WHEELS = ("nvidia-cuda-cuobjdump==13.5.37", "bitsandbytes==0.50.2", "torchao==0.18.0")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wheels_of_cuda_hold_what_nvidias_own_reader_says(tmp_path: Path) -> None:
    fetch = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(tmp_path),
    ]
    done = subprocess.run([*fetch, *WHEELS], capture_output=True, text=True, timeout=240)  # fmt: skip
    if done.returncode:
        pytest.skip(f"the wheels cannot be had: {done.stderr[-200:]}")
    for wheel in tmp_path.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(tmp_path)
    reader = next(tmp_path.rglob("bin/cuobjdump"))
    reader.chmod(0o755)
    compared, unread = 0, []
    for library_path in sorted((*tmp_path.glob("bitsandbytes/*.so"), *tmp_path.glob("torchao/*.so"))):
        content = library_path.read_bytes()
        listed = _listed(reader, library_path)
        if listed is None:
            unread.append(library_path.name)
            continue
        assert set(scan(content)) == set(listed), library_path.name
        assert sum(scan(content).values()) < len(content)
        compared += bool(listed)
    assert compared >= 8
    assert unread == ["libbitsandbytes_cuda121.so"], "NVIDIA's reader of CUDA 13.5 calls one device ELF of 12.1 invalid"
    assert "sm_90a" in scan((next(tmp_path.glob("torchao/_C_cutlass_90a*.so"))).read_bytes())


def _listed(reader: Path, library_path: Path) -> list[str] | None:
    """`-all` also lists what is kept for a later link of device code. None: the reader gave up."""
    names = []
    for option, prefix in (("--list-elf", "sm_"), ("--list-ptx", "compute_")):
        done = subprocess.run([reader, "-all", option, library_path], capture_output=True, text=True, timeout=60)
        if "fatal" in done.stderr:
            return None
        names += [prefix + arch for arch in re.findall(r"\.sm_(\d+[af]?)\.(?:cubin|ptx)", done.stdout)]
    return names


def test_symbols_are_what_strip_takes_from_a_real_library(tmp_path: Path) -> None:
    source = tmp_path / "x.c"
    source.write_text("int table[4000] = {1}; " + " ".join(f"static int f{i}(void){{return {i};}}" for i in range(300))
                      + "int g(void){return " + "+".join(f"f{i}()" for i in range(300)) + ";}")  # fmt: skip
    try:
        subprocess.run(["gcc", "-g", "-shared", "-fPIC", "-o", tmp_path / "x.so", source], check=True)
        subprocess.run(["strip", "--strip-unneeded", "-o", tmp_path / "s.so", tmp_path / "x.so"], check=True)
    except FileNotFoundError as error:
        pytest.skip(f"{error.filename} is not installed")
    found = {}
    for name in ("x.so", "s.so"):
        content = (tmp_path / name).read_bytes()
        scanner = scanner_for(name, len(content))
        assert scanner is not None
        for at in range(0, len(content), 100):
            scanner.feed(content[at : at + 100])
        found[name] = scanner.found().get(SYMBOLS, 0)
    taken = (tmp_path / "x.so").stat().st_size - (tmp_path / "s.so").stat().st_size
    assert abs(found["x.so"] - found["s.so"] - taken) < 1024  # sections begin at rounded offsets
    assert found["s.so"] < 1024

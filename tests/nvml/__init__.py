"""A library in the place of NVIDIA's, built from stub.c, that plays traces to the real bindings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

NAME = "libnvidia-ml.so.1"
SOURCE = Path(__file__).with_name("stub.c")
requires_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build the stub of NVML with")
GPU = "GPU-00000000-0000-0000-0000-00000000000a"
OTHER = "GPU-00000000-0000-0000-0000-00000000000b"
PLAIN = (  # what a healthy card of the datacentre says
    "steps power_average_w 0:300", "steps power_limit_w 0:700", "steps sm_clock_hz 0:1980000000",
    "steps memory_clock_hz 0:2619000000", "steps temperature_c 0:51", "steps clocks_event_bits 0:0",
    "steps utilisation_ratio 0:0.97", "steps memory_total_bytes 0:85899345920", "steps memory_used_bytes 0:70000000000",
    "steps ecc_corrected 0:0", "steps ecc_uncorrected 0:0", "steps mig 0:0", "steps persistence 0:1",
    "steps pcie_sent_bytes_per_s 0:2000000", "steps pcie_received_bytes_per_s 0:3000000",
    "steps throttled_power_s 0:0", "steps throttled_hw_thermal_s 0:0",
    "steps memory_bus_width_bits 0:5120", "steps max_memory_clock_hz 0:2619000000",
)  # fmt: skip


def build(folder: Path) -> Path:
    """The folder with the library."""
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(folder / NAME), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def trace_of(*, driver: str | None = None, **gpus: Sequence[str]) -> str:
    """`trace_of(**{GPU: ("linear power_w 0:100 2:300", "energy 0.1")})`: PLAIN comes with every GPU."""
    lines = [f"driver {driver}"] if driver else []
    for uuid, statements in gpus.items():
        given = {tuple(one.split()[:2]) for one in statements}
        lines += [f"gpu {uuid}", *statements, *(one for one in PLAIN if tuple(one.split()[:2]) not in given)]
    return "\n".join(lines) + "\n"


def play(monkeypatch: pytest.MonkeyPatch, library: Path, trace: Path, t0_ns: int) -> None:
    """Every process that is started from now on finds the library, and the trace begins at `t0_ns`."""
    before = os.environ.get("LD_LIBRARY_PATH")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{library}:{before}" if before else str(library))
    monkeypatch.setenv("NVML_STUB_TRACE", str(trace))
    monkeypatch.setenv("NVML_STUB_T0_NS", str(t0_ns))

"""What sampling GPUs costs: share of a core at 10 Hz with 8 of them, and the largest gap between two samples.

Against the tests' stub of NVML, so the driver's own time is not in it: this is the suite's side. Once on an idle host,
once with every core kept busy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the stub is the tests'

from bench.clock import now_ns
from bench.probes.sampler import SamplerSpec
from bench.probes.telemetry import Telemetry
from tests.nvml import build, trace_of

GPUS, SECONDS = 8, 20.0
BUSY = "while True: pass"


def measure(folder: Path, busy: int) -> tuple[int, float, float]:
    """Samples, CPU seconds a second, largest gap in seconds."""
    uuids = tuple(f"GPU-{place}" for place in range(GPUS))
    (folder / "trace").write_text(trace_of(**dict.fromkeys(uuids, ("steps power_w 0:500", "energy 0.1"))))
    os.environ |= {"LD_LIBRARY_PATH": str(folder), "NVML_STUB_TRACE": str(folder / "trace")}
    spec = SamplerSpec(t0_ns=now_ns(), interval_s=0.1, out=str(folder / "rows"), gpu_uuids=uuids)
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    try:
        telemetry = Telemetry(spec)
        time.sleep(SECONDS)
        _, report = telemetry.stop()
    finally:
        for one in others:
            one.kill()
            one.wait()
    return report.samples["gpu"], (report.gpu_cpu_s or 0.0) / SECONDS, report.largest_gap_s["gpu"]


def main() -> None:
    """The table."""
    with tempfile.TemporaryDirectory() as name:
        folder = build(Path(name))
        print(f"{'busy processes':>14} {'samples':>8} {'of a core':>10} {'largest gap':>12}")
        for busy in (0, os.cpu_count() or 1):
            samples, cores, gap_s = measure(folder, busy)
            print(f"{busy:>14} {samples:>8} {cores:>9.1%} {gap_s * 1e3:>9.0f} ms")


if __name__ == "__main__":
    main()

"""Starts the samplers beside a load and brings their rows home."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from functools import reduce
from pathlib import Path

import pyarrow as pa

from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.store.tables import TELEMETRY

STOP_TIMEOUT_S = 10.0  # one scrape that hangs, and the last flush
KILL_TIMEOUT_S = 5.0


class Telemetry:
    """Running samplers, a process for each spec; `also` begins another one beside them.

    `stop` gives the rows, also after a sampler itself died: what it wrote is kept.
    """

    def __init__(self, *specs: SamplerSpec) -> None:
        self._stopped: tuple[pa.Table, SamplerReport] | None = None
        self._running = [_Process(spec) for spec in specs]

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the samplers' processes."""
        return tuple(one.pid for one in self._running)

    def also(self, spec: SamplerSpec) -> None:
        """Sample this too from now on."""
        self._running.append(_Process(spec))

    def stop(self) -> tuple[pa.Table, SamplerReport]:
        """End the samplers; a second call gives the same again."""
        if self._stopped is None:
            nothing = (TELEMETRY.empty_table(), SamplerReport())
            self._stopped = reduce(_together, [one.stop() for one in self._running], nothing)
        return self._stopped


class _Process:
    """One sampler."""

    def __init__(self, spec: SamplerSpec) -> None:
        self._spec = spec
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.probes.sampler", json.dumps(asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run, not for it
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> tuple[pa.Table, SamplerReport]:
        try:
            out, errors = self._process.communicate("", timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, errors = self._last_words()
        name = "gpu sampler" if self._spec.gpu_uuids else "sampler"
        return read_rows(Path(self._spec.out)), _report(name, out, errors, self._process.returncode)

    def _last_words(self) -> tuple[str, str]:
        """Of a sampler that was killed; one within a driver that hangs cannot even be killed, and is left to itself."""
        try:
            return self._process.communicate(timeout=KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()
            return "", f"it hangs within the driver; process {self._process.pid} is left to the kernel"


def _together(
    some: tuple[pa.Table, SamplerReport], more: tuple[pa.Table, SamplerReport]
) -> tuple[pa.Table, SamplerReport]:
    """Sources and GPUs of two samplers differ; of what only one of them says, its word counts."""
    one, other = some[1], more[1]
    report = SamplerReport(
        samples=one.samples | other.samples,
        failed=one.failed | other.failed,
        last_error=one.last_error | other.last_error,
        largest_gap_s=one.largest_gap_s | other.largest_gap_s,
        dropped_lines=one.dropped_lines + other.dropped_lines,
        cpu_s=other.cpu_s if one.cpu_s is None else one.cpu_s,
        gpu_cpu_s=other.gpu_cpu_s if one.gpu_cpu_s is None else one.gpu_cpu_s,
        gpu_absent=one.gpu_absent | other.gpu_absent,
        gpu_failed=one.gpu_failed | other.gpu_failed,
        gpu_lost=one.gpu_lost | other.gpu_lost,
    )
    return pa.concat_tables([some[0], more[0]]), report


def read_rows(path: Path) -> pa.Table:
    """Every batch that is whole in an Arrow stream that may have been cut anywhere."""
    batches: list[pa.RecordBatch] = []
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            batches.extend(stream)
    except (OSError, pa.ArrowInvalid):
        return pa.Table.from_batches(batches, TELEMETRY)  # the rest was cut off
    return pa.Table.from_batches(batches, TELEMETRY)


def _report(name: str, out: str, errors: str, code: int | None) -> SamplerReport:
    try:
        return SamplerReport(**json.loads(out.splitlines()[-1]))
    except (ValueError, IndexError, TypeError):
        last = errors.strip().splitlines()[-1:] or [f"exit code {code}"]
        return SamplerReport(failed={name: 1}, last_error={name: last[0][:500]})

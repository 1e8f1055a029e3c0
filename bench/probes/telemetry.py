"""Starts the samplers beside a load and brings their rows home."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa

from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.store.tables import TELEMETRY

STOP_TIMEOUT_S = 10.0  # one scrape that hangs, and the last flush


class Telemetry:
    """Running samplers: one process for host and engine, one for GPUs where the arm has any.

    `stop` gives the rows, also after a sampler itself died: what it wrote is kept.
    """

    def __init__(self, spec: SamplerSpec) -> None:
        self._stopped: tuple[pa.Table, SamplerReport] | None = None
        self._host = _Process(spec.without_gpus())
        self._gpus = _Process(spec.of_gpus()) if spec.gpu_uuids else None

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the samplers' processes."""
        return tuple(one.pid for one in (self._host, self._gpus) if one)

    def stop(self) -> tuple[pa.Table, SamplerReport]:
        """End the samplers; a second call gives the same again."""
        if self._stopped is None:
            self._stopped = self._host.stop()
            if self._gpus:
                self._stopped = _together(self._stopped, self._gpus.stop())
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
            out, errors = self._process.communicate()
        name = "gpu sampler" if self._spec.gpu_uuids else "sampler"
        return read_rows(Path(self._spec.out)), _report(name, out, errors, self._process.returncode)


def _together(
    host: tuple[pa.Table, SamplerReport], gpus: tuple[pa.Table, SamplerReport]
) -> tuple[pa.Table, SamplerReport]:
    mine, theirs = host[1], gpus[1]
    report = replace(
        mine,
        samples=mine.samples | theirs.samples,
        failed=mine.failed | theirs.failed,
        last_error=mine.last_error | theirs.last_error,
        largest_gap_s=mine.largest_gap_s | theirs.largest_gap_s,
        gpu_cpu_s=theirs.cpu_s,
        gpu_absent=theirs.gpu_absent,
        gpu_failed=theirs.gpu_failed,
        gpu_lost=theirs.gpu_lost,
    )
    return pa.concat_tables([host[0], gpus[0]]), report


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

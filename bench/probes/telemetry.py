"""Starts the sampler beside a load and brings its rows home."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.store.tables import TELEMETRY

STOP_TIMEOUT_S = 10.0  # one scrape that hangs, and the last flush


class Telemetry:
    """A running sampler. `stop` gives the rows, also after the sampler itself died: what it wrote is kept."""

    def __init__(self, spec: SamplerSpec) -> None:
        self._spec = spec
        self._stopped: tuple[pa.Table, SamplerReport] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.probes.sampler", json.dumps(asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run, not for it
        )

    def stop(self) -> tuple[pa.Table, SamplerReport]:
        """End the sampler; a second call gives the same again."""
        if self._stopped is None:
            try:
                out, errors = self._process.communicate("", timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                out, errors = self._process.communicate()
            self._stopped = read_rows(Path(self._spec.out)), _report(out, errors, self._process.returncode)
        return self._stopped


def read_rows(path: Path) -> pa.Table:
    """Every batch that is whole in an Arrow stream that may have been cut anywhere."""
    batches: list[pa.RecordBatch] = []
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            batches.extend(stream)
    except (OSError, pa.ArrowInvalid):
        return pa.Table.from_batches(batches, TELEMETRY)  # the rest was cut off
    return pa.Table.from_batches(batches, TELEMETRY)


def _report(out: str, errors: str, code: int | None) -> SamplerReport:
    try:
        return SamplerReport(**json.loads(out.splitlines()[-1]))
    except (ValueError, IndexError, TypeError):
        last = errors.strip().splitlines()[-1:] or [f"exit code {code}"]
        return SamplerReport(failed={"sampler": 1}, last_error={"sampler": last[0][:500]})

"""`python -m bench.probes.sampler SPEC`: samples host and engine from a process of its own, until stdin ends.

A process, because it must not take turns with the load; SPEC is a JSON object, see SamplerSpec. Rows go to an Arrow
stream that is whole after every flush; the last line on stdout is a JSON object, see SamplerReport. One failed sample
is counted and the next one taken.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path

import pyarrow as pa

from bench.clock import NS_PER_S, now_ns, since_s
from bench.probes.host import HostSampler, Row
from bench.probes.server import parse_exposition
from bench.store.tables import TELEMETRY
from bench.wire.request import get_once

FLUSH_S = 5.0  # what a kill of the sampler may cost
MOST_CPU_RATIO = 0.05  # of one core, for each source: what costs more is asked less often, or it would load the server
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSpec:
    """What to sample, and where the rows go."""

    t0_ns: int
    interval_s: float
    server_pids: tuple[int, ...]
    client_pid: int
    metrics_url: str | None
    metric_names: Mapping[str, str]
    out: str


@dataclass(slots=True, kw_only=True)
class SamplerReport:
    """How the sampling itself went."""

    samples: dict[str, int] = field(default_factory=dict)  # source -> samples taken
    failed: dict[str, int] = field(default_factory=dict)  # source -> samples that failed
    last_error: dict[str, str] = field(default_factory=dict)
    largest_gap_s: dict[str, float] = field(default_factory=dict)  # source -> between two good samples
    dropped_lines: int = 0  # of the engine's exposition, over all samples
    cpu_s: float | None = None  # the sampler's own, user + system


class _Stream:
    """Rows on their way into the Arrow stream; taken from both threads."""

    def __init__(self, spec: SamplerSpec) -> None:
        self._t0_ns, self._rows, self._lock = spec.t0_ns, list[Row](), threading.Lock()
        self._file = Path(spec.out).open("wb")  # noqa: SIM115 - closed by close()
        self._writer = pa.ipc.new_stream(self._file, TELEMETRY)
        self._due_ns = now_ns() + int(FLUSH_S * NS_PER_S)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows, and write them out when it is time."""
        taken = list(rows)
        with self._lock:
            self._rows += taken
            if now_ns() >= self._due_ns:
                self._flush()

    def close(self) -> None:
        """Write what is left and end the stream."""
        with self._lock:
            self._flush()
            self._writer.close()
            self._file.close()

    def _flush(self) -> None:
        if self._rows:
            at_ns, source, entity, metric, value = zip(*self._rows, strict=True)
            columns = [[since_s(self._t0_ns, t_ns) for t_ns in at_ns], source, entity, metric, value]
            arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, TELEMETRY, strict=True)]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=TELEMETRY))
            self._file.flush()
            self._rows = []
        self._due_ns = now_ns() + int(FLUSH_S * NS_PER_S)


def sample_until(stop: threading.Event, spec: SamplerSpec) -> SamplerReport:
    """Sample every interval until `stop`; each source in a thread, so that an engine that hangs stops no other rows."""
    report, stream = SamplerReport(), _Stream(spec)
    host = HostSampler(spec.server_pids, spec.client_pid)
    sources: dict[str, Callable[[], Iterable[Row]]] = {"host": host.sample}
    if spec.metrics_url:
        url = spec.metrics_url
        sources["engine"] = lambda: _sample_engine(url, spec, report)
    threads = [
        threading.Thread(target=_repeat, args=(name, take, stop, spec.interval_s, report, stream), daemon=True)
        for name, take in sources.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.close()
    report.cpu_s = time.process_time()
    return report


def _repeat(
    source: str,
    take: Callable[[], Iterable[Row]],
    stop: threading.Event,
    interval_s: float,
    report: SamplerReport,
    stream: _Stream,
) -> None:
    due_ns = now_ns()
    before_ns: int | None = None
    while not stop.is_set():
        at_ns, cpu_s = now_ns(), time.thread_time()
        try:
            stream.add(take())
            report.samples[source] = report.samples.get(source, 0) + 1
            if before_ns is not None:
                gap_s = (at_ns - before_ns) / NS_PER_S
                report.largest_gap_s[source] = max(report.largest_gap_s.get(source, 0.0), gap_s)
            before_ns = at_ns
        except Exception as error:  # noqa: BLE001 - one bad sample is counted and reported, the series goes on
            report.failed[source] = report.failed.get(source, 0) + 1
            report.last_error[source] = f"{type(error).__name__}: {error}"[:500]
        pause_s = max(interval_s, (time.thread_time() - cpu_s) / MOST_CPU_RATIO)
        due_ns = max(due_ns + int(pause_s * NS_PER_S), now_ns())  # a late sample is not made up for by a burst
        stop.wait((due_ns - now_ns()) / NS_PER_S)


def _sample_engine(url: str, spec: SamplerSpec, report: SamplerReport) -> list[Row]:
    answer = get_once(url, "", timeout_s=max(2.0, spec.interval_s))
    if answer.status != HTTPStatus.OK:
        raise OSError(answer.error or f"status {answer.status}")
    at_ns = now_ns()
    exposition = parse_exposition(answer.body.decode("utf-8", "replace"), spec.metric_names)
    report.dropped_lines += exposition.dropped_lines
    return [(at_ns, "engine", "engine", metric, value) for metric, value in exposition.values.items()]


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends, however it ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _stop_at_end_of_stdin(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main() -> None:
    """Sample until stdin ends: the parent closes it, or is gone."""
    die_with_parent()
    for ignored in (signal.SIGINT, signal.SIGTERM):  # meant for the run, which ends this by closing stdin
        signal.signal(ignored, signal.SIG_IGN)
    document = json.loads(sys.argv[1])
    spec = SamplerSpec(**{**document, "server_pids": tuple(document["server_pids"])})
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_stdin, args=(stop,), daemon=True).start()
    report = sample_until(stop, spec)
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()

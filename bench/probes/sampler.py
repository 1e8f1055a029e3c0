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
from bench.probes.gpu import SLOW_S, GpuSampler
from bench.probes.host import HostSampler, Row
from bench.probes.server import parse_exposition
from bench.store.tables import TELEMETRY
from bench.wire.request import get_once

FLUSH_S = 5.0  # what a kill of the sampler may cost
MOST_CPU_RATIO = 0.05  # of one core, for each source: what costs more is asked less often, or it would load the server
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSpec:
    """What to sample, and where the rows go: GPUs alone where there are any, else host and engine.

    GPUs have a process of their own, so that neither a scan of /proc nor a parser delays them.
    """

    t0_ns: int
    interval_s: float
    out: str
    server_pids: tuple[int, ...] = ()
    client_pid: int = 0
    metrics_url: str | None = None
    metric_names: Mapping[str, str] = field(default_factory=dict)
    gpu_uuids: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class SamplerReport:
    """How the sampling itself went."""

    samples: dict[str, int] = field(default_factory=dict)  # source -> samples taken
    failed: dict[str, int] = field(default_factory=dict)  # source -> samples that failed
    last_error: dict[str, str] = field(default_factory=dict)
    largest_gap_s: dict[str, float] = field(default_factory=dict)  # source -> between two good samples
    dropped_lines: int = 0  # of the engine's exposition, over all samples
    cpu_s: float | None = None  # of the process that samples host and engine, user + system
    gpu_cpu_s: float | None = None  # of the process that samples GPUs; None without one
    gpu_absent: dict[str, dict[str, str]] = field(default_factory=dict)  # UUID -> metric -> why this card has it not
    gpu_failed: dict[str, dict[str, int]] = field(default_factory=dict)  # UUID -> metric -> reads that failed
    gpu_lost: dict[str, str] = field(default_factory=dict)  # UUID -> why nothing could be asked of it any more


class _Stream:
    """Rows of every thread on their way into the Arrow stream; a thread of its own writes, so that no sample waits."""

    def __init__(self, spec: SamplerSpec) -> None:
        self._t0_ns, self._rows, self._lock = spec.t0_ns, list[Row](), threading.Lock()
        self._file = Path(spec.out).open("wb")  # noqa: SIM115 - closed by close()
        self._writer = pa.ipc.new_stream(self._file, TELEMETRY)
        self._write([])  # the first batch loads libraries for some 0.3 s: before the first sample, not in its way
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_out, daemon=True)
        self._thread.start()

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows until they are written."""
        taken = list(rows)
        with self._lock:
            self._rows += taken

    def close(self) -> None:
        """Write what is left and end the stream."""
        self._ended.set()
        self._thread.join()
        self._writer.close()
        self._file.close()

    def _write_out(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ended.wait(FLUSH_S)
            with self._lock:
                rows, self._rows = self._rows, []
            self._write(rows)

    def _write(self, rows: list[Row]) -> None:
        at_ns, source, entity, metric, value = zip(*rows, strict=True) if rows else ((),) * 5
        columns = [[since_s(self._t0_ns, t_ns) for t_ns in at_ns], source, entity, metric, value]
        arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, TELEMETRY, strict=True)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=TELEMETRY))
        self._file.flush()


def sample_until(stop: threading.Event, spec: SamplerSpec) -> SamplerReport:
    """Sample every interval until `stop`; each source in a thread, so that an engine that hangs stops no other rows."""
    report, stream = SamplerReport(), _Stream(spec)
    sources = _of_gpus(spec, report) if spec.gpu_uuids else _of_host(spec, report)
    threads = [
        threading.Thread(target=_repeat, args=(name, source, stop, report, stream), daemon=True)
        for name, source in sources.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.close()
    if spec.gpu_uuids:
        report.gpu_cpu_s = time.process_time()
    else:
        report.cpu_s = time.process_time()
    return report


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of one instant, and how often they are asked for."""

    take: Callable[[], Iterable[Row]]
    interval_s: float
    most_cpu_ratio: float = MOST_CPU_RATIO


def _of_host(spec: SamplerSpec, report: SamplerReport) -> dict[str, _Source]:
    host = HostSampler(spec.server_pids, spec.client_pid)
    sources = {"host": _Source(host.sample, spec.interval_s)}
    if spec.metrics_url:
        url = spec.metrics_url
        sources["engine"] = _Source(lambda: _sample_engine(url, spec, report), spec.interval_s)
    return sources


def _of_gpus(spec: SamplerSpec, report: SamplerReport) -> dict[str, _Source]:
    """Energy keeps its rate whatever it costs: a window's joules hang on the samples at its ends."""
    gpus = GpuSampler(spec.gpu_uuids)
    report.gpu_absent, report.gpu_failed, report.gpu_lost = gpus.notes.absent, gpus.notes.failed, gpus.notes.lost
    return {
        "gpu": _Source(gpus.sample, spec.interval_s, most_cpu_ratio=1.0),
        "gpu_pcie": _Source(gpus.sample_pcie, SLOW_S),
    }


def _repeat(source: str, one: _Source, stop: threading.Event, report: SamplerReport, stream: _Stream) -> None:
    due_ns = now_ns()
    before_ns: int | None = None
    took_before_s = 0.0
    while not stop.is_set():
        at_ns, cpu_s = now_ns(), time.thread_time()
        try:
            stream.add(one.take())
            report.samples[source] = report.samples.get(source, 0) + 1
            if before_ns is not None:
                gap_s = (at_ns - before_ns) / NS_PER_S
                report.largest_gap_s[source] = max(report.largest_gap_s.get(source, 0.0), gap_s)
            before_ns = at_ns
        except Exception as error:  # noqa: BLE001 - one bad sample is counted and reported, the series goes on
            report.failed[source] = report.failed.get(source, 0) + 1
            report.last_error[source] = f"{type(error).__name__}: {error}"[:500]
        took_s = time.thread_time() - cpu_s
        pause_s = max(one.interval_s, min(took_s, took_before_s) / one.most_cpu_ratio)  # once is no habit
        took_before_s = took_s
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
    lists = {name: tuple(document[name]) for name in ("server_pids", "gpu_uuids")}
    spec = SamplerSpec(**{**document, **lists})
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_stdin, args=(stop,), daemon=True).start()
    report = sample_until(stop, spec)
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()

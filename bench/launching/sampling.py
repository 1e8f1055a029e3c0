"""The samplers beside a launch: GPUs from its first moment to its last, host and engine once the arm serves."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.clock import now_ns, since_s
from bench.engines.base import LaunchSpec
from bench.launching.config import exposition_url
from bench.plan.expected import IDLE_SETTLE_S, is_watched_idle
from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.probes.telemetry import Telemetry
from bench.record import IdleWindow
from bench.runtimes.base import Running
from bench.vocabulary import Severity

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt

GPU_INTERVAL_S = 0.1  # the counter is renewed every 20 to 100 ms; research and NVML alike give no more
_LOOK_S = 0.5


class Sampling:
    """Begins with the GPUs; `stop` hands rows and findings to the attempt, and does so once."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._stopped = attempt, False
        self._telemetry = Telemetry()
        if attempt.prepared.placement.gpus:
            gpus = SamplerSpec(
                t0_ns=attempt.t0_ns,
                interval_s=GPU_INTERVAL_S,
                out=str(attempt.launch_dir.scratch / "telemetry.gpu.arrows"),
                gpu_uuids=attempt.prepared.placement.gpus,
            )
            self._telemetry.also(gpus)

    def watch_idle(self, spec: LaunchSpec | None = None, running: Running | None = None) -> None:
        """Let the GPUs do nothing for the scenario's time: without the arm, or with one that serves nobody."""
        attempt, loaded = self._attempt, running is not None
        if attempt.arm.url or not (attempt.prepared.placement.gpus and is_watched_idle(attempt.scenario)):
            return  # behind a url nobody knows whose cards they are
        idle_s = attempt.scenario.launches.gpu_idle_s
        attempt.say("idle", f"watching the GPU idle for {idle_s:g} s{', the arm loaded' if loaded else ''}")
        start_s = since_s(attempt.t0_ns, now_ns()) + IDLE_SETTLE_S
        while (left_s := start_s + idle_s - since_s(attempt.t0_ns, now_ns())) > 0:
            if spec is not None and running is not None and running.exited() is not None:
                raise attempt.died(spec, running, "while it was idle")
            time.sleep(min(left_s, _LOOK_S))
        attempt.idle.append(IdleWindow(loaded=loaded, start_s=start_s, end_s=start_s + idle_s))

    def begin_arm(self, spec: LaunchSpec, running: Running) -> None:
        """Sample the host, the arm's processes and its engine from now on.

        Before the arm is watched idle: a process that is busy then waits by polling, and its core is full by design.
        """
        attempt = self._attempt
        host = SamplerSpec(
            t0_ns=attempt.t0_ns,
            interval_s=attempt.scenario.launches.telemetry_interval_s,
            out=str(attempt.launch_dir.scratch / "telemetry.arrows"),
            server_pids=tuple(running.pids().values()),
            client_pid=os.getpid(),
            metrics_url=exposition_url(attempt.engine, spec.metrics_url),
            metric_names=dict(attempt.engine.metric_names),
        )
        self._telemetry.also(host)

    def stop(self) -> None:
        """End them; a second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        table, report = self._telemetry.stop()
        self._attempt.telemetry = table if self._telemetry.pids else None
        _note(self._attempt, report)


def _note(attempt: Attempt, report: SamplerReport) -> None:
    attempt.client["sampler"] = asdict(report)
    if failed := sum(report.failed.values()):
        last = "; ".join(f"{source}: {text}" for source, text in report.last_error.items())
        text = f"{failed} telemetry samples failed, {sum(report.samples.values())} were taken ({last})"
        attempt.find("telemetry-samples-failed", text)
    for uuid, why in report.gpu_lost.items():
        text = f"the GPU {uuid} was lost while the arm served ({why}): nothing is known of it from then on"
        attempt.find(
            "gpu-lost", text, severity=Severity.VOID, step="look at dmesg for its XID, reset or leave that GPU"
        )
    if report.dropped_lines:
        text = f"{report.dropped_lines} lines of the engine's /metrics broke the format and were left out"
        attempt.find("metrics-lines-dropped", text)

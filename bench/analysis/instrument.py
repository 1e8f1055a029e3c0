"""Checks of the instrument: the client, its calibration, and the host under both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pandas as pd

from bench.analysis.numbers import Numbers
from bench.analysis.rows import percentile, ttft_s
from bench.analysis.words import percent
from bench.record import Finding
from bench.vocabulary import Severity

CLIENT_BUSY = 0.90  # of one core, by each load process: above, the client itself delays what it times
CALIBRATION_SHARE = 0.10  # of the time to first token that the instrument's own p99 error may take
SEND_LAG_S, SEND_LAG_SHARE = 0.005, 0.01  # at p99; the share is of the p50 of TTFT
P99_GOOD_ROWS = 1000
MAJOR_FAULTS_PER_S = 10.0


def client_cpu(numbers: Numbers) -> Iterator[Finding]:
    """A client that is out of CPU times itself."""
    workers = max(1, numbers.scenario.load.workers)
    worst: dict[tuple[str, str], float] = {}
    for one in numbers.kept:
        spent = one.launch.client.get("cpu_s") or {}
        for window in one.launch.stages:
            cpu_s, length_s = spent.get(f"{window.stage}/{window.round}"), window.window_end_s - window.window_start_s
            if cpu_s is not None and length_s > 0:
                key = (one.launch.arm, window.stage)
                worst[key] = max(worst.get(key, 0.0), cpu_s / length_s / workers)
    for (arm, stage), cores in worst.items():
        if cores >= CLIENT_BUSY:
            yield Finding(
                id="client-busy",
                severity=Severity.WARN,
                at={"stage": stage},
                arm=arm,
                text=f"A load process used {percent(cores)} of one core in a window: the client is part of the "
                "latencies, and the faster arm suffers more.",
                next="Raise load.workers, or run the client on cores of its own.",
            )


def instrument(numbers: Numbers) -> Iterator[Finding]:
    """The instrument's own error against what it measured."""
    errors_s = {row.get("stage"): row.get("ttft_error_p99_s") for row in numbers.data.run.calibration}
    for arm, stage, passes in numbers.each_stage():
        error_s = errors_s.get(stage.id)
        p50_s = percentile(pd.concat([ttft_s(one.ok) for one in passes]), 50)
        if error_s is not None and p50_s and error_s > CALIBRATION_SHARE * p50_s:
            yield Finding(
                id="instrument-error",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"The instrument's own TTFT error (p99 {error_s * 1e3:.2f} ms) is {percent(error_s / p50_s)} of "
                f"the TTFT measured (p50 {p50_s * 1e3:.2f} ms): small ratios of TTFT are not to be trusted here.",
                next="Use longer prompts, fewer streams or a quieter host; `nimbench calibrate` shows the error alone.",
            )


def send_lag(numbers: Numbers) -> Iterator[Finding]:
    """An open loop that sends late offers another load than it says."""
    for arm, stage, passes in numbers.each_stage():
        if stage.rate_per_s is None:
            continue
        rows = pd.concat([one.ok for one in passes])
        lag_s = (rows["start_s"] - rows["scheduled_s"]).dropna()
        p50_s = percentile(ttft_s(rows), 50)
        if lag_s.empty or p50_s is None:
            continue
        p99_s = float(lag_s.quantile(0.99))
        if p99_s > SEND_LAG_S or p99_s > SEND_LAG_SHARE * p50_s:
            yield Finding(
                id="late-sends",
                severity=Severity.WARN,
                at={"stage": stage.id},
                arm=arm,
                text=f"Requests left up to {p99_s * 1e3:.1f} ms late (p99): the client did not keep the rate. The "
                "latencies count from the planned time, so they contain it.",
                next="Raise load.workers or lower the rate.",
            )


def thin_p99(numbers: Numbers) -> Iterator[Finding]:
    """A p99 that may be given, but rests on few requests."""
    counts = [len(one.ok) for _, _, passes in numbers.each_stage() for one in passes]
    thin = [count for count in counts if 300 <= count < P99_GOOD_ROWS]
    if thin:
        yield Finding(
            id="p99-on-few-requests",
            severity=Severity.INFO,
            text=f"Some windows hold only {min(thin)} requests: their p99 lies among the {math.ceil(min(thin) / 100)} "
            f"slowest. It is steady from {P99_GOOD_ROWS} on; the interval over launches carries this noise.",
            next="Lengthen duration_s of the stage if the p99 decides.",
        )


def memory_pressure(numbers: Numbers) -> Iterator[Finding]:
    """A server that reads its own memory back from disk."""
    for arm in numbers.scenario.arms:
        rates = [rate for one in numbers.of_arm(arm.name) if (rate := _major_faults_per_s(one.telemetry)) is not None]
        if rates and max(rates) >= MAJOR_FAULTS_PER_S:
            yield Finding(
                id="memory-pressure",
                severity=Severity.WARN,
                arm=arm.name,
                text=f"The server read {max(rates):.0f} pages a second back from disk (median of a launch): memory "
                "is short, and it times the disk.",
                next="Free memory or use a smaller model or context.",
            )


def _major_faults_per_s(telemetry: pd.DataFrame | None) -> float | None:
    """Median over a launch, so that loading the weights at the start does not count."""
    if telemetry is None:
        return None
    mine = (telemetry["entity"] == "server") & (telemetry["metric"] == "page_faults_major_per_s")
    values = telemetry.loc[mine, "value"]
    return float(values.median()) if len(values) else None


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (
    client_cpu,
    instrument,
    send_lag,
    thin_p99,
    memory_pressure,
)

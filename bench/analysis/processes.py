"""The host as a hidden third arm: a process of the server that fills a core may be what is measured, not the GPU.

Only where it works. Engines also wait with a full core: SGLang's scheduler asks its sockets without a pause (its issue
9863), vLLM's engine before 0.27.1 spins in CUDA until the GPU has ended a step, and with tensor parallelism its workers
spin in shared memory. Such a core is full because the GPU is busy, or because there is nothing to do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bench.analysis.numbers import Numbers
from bench.analysis.process_use import ProcessCores, gpu_activity, idle_cores, pids_on_gpu, process_cores
from bench.analysis.words import percent
from bench.record import Finding
from bench.store.reader import LaunchData
from bench.vocabulary import Severity

FULL_CORE = 0.90  # of one core, by one thread, mean over a window; our own: the rest is lost to switches and ticks
POLLS_CORES = 0.5  # with nobody asking; our own, between what is reported: 0.94 to 1 of pollers, 0.02 of sleepers
BUSY_GPU = 0.95  # of a window; our own: above it there is no time left that a host could give back
# They never wait in CUDA. The second kind does where the engine runs inside it, so it must be seen to hold no GPU.
_FRONT, _MAIN = re.compile(r"nginx|tokenizer|APIServer"), re.compile(r"api_server|launch_server|serve\b")
_FILLS = "server-process-fills-a-core"
_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class _Full:
    """A process that filled a core over a window, and did not do so with nobody asking."""

    process: ProcessCores
    is_front: bool
    gpu: float | None  # share of the window

    @property
    def is_limit(self) -> bool:
        return self.is_front or (self.gpu is not None and self.gpu < BUSY_GPU)


def full_cores(numbers: Numbers) -> Iterator[Finding]:
    """Arms on a GPU alone: where the processor computes, its cores are meant to be full."""
    for arm in numbers.scenario.arms:
        launches = [one for one in numbers.of_arm(arm.name) if one.launch.devices and one.telemetry is not None]
        watched = [idle for one in launches if (idle := idle_cores(one)) is not None]
        yield from _polls(arm.name, [process for idle in watched for process in idle if process.cores >= POLLS_CORES])
        waits: dict[str, _Full] = {}
        for stage, windows in _by_stage(numbers, launches).items():
            limits = [max(of_limit, key=_size) for found in windows if (of_limit := [x for x in found if x.is_limit])]
            others = sorted((full for found in windows for full in found), key=_size)
            if limits:
                worst = max(limits, key=_size)
                yield _limit(arm.name, stage, worst, f"{len(limits)} of {len(windows)}", bool(watched))
            elif unknown := [full for full in others if full.gpu is None]:
                yield _cannot_tell(arm.name, stage, unknown[-1])
            elif others:
                waits[stage] = others[-1]
        yield from _waits(arm.name, waits)


def _by_stage(numbers: Numbers, launches: list[LaunchData]) -> dict[str, list[list[_Full]]]:
    """Stage -> of each window the processes that filled a core."""
    found = defaultdict(list)
    for one in launches:
        assert one.telemetry is not None
        gpu, on_gpu = numbers.gpu_rows(one), pids_on_gpu(one.telemetry)
        polling = {process.pid for process in idle_cores(one) or () if process.cores >= POLLS_CORES}
        for window in numbers.windows(one):
            span = (window.window_start_s, window.window_end_s)
            busy = gpu_activity(gpu, *span)
            found[window.stage].append(
                [
                    _Full(process, _is_front(process, on_gpu), busy)
                    for process in process_cores(one.telemetry, *span)
                    if process.fullest >= FULL_CORE and process.pid not in polling
                ]
            )
    return found


def _is_front(process: ProcessCores, on_gpu: frozenset[int]) -> bool:
    """Whether it stands before the engine and holds no GPU, as far as the driver lists who does."""
    if process.pid in on_gpu:
        return False
    return bool(_FRONT.search(process.name) or (on_gpu and _MAIN.search(process.name)))


def _size(full: _Full) -> float:
    return full.process.fullest


def _used(process: ProcessCores) -> str:
    whose = "all threads together" if process.thread_cores is None else "by one thread"
    return f"The server's process {process.name} used {percent(process.fullest)} of one core ({whose}) over a window"


def _limit(arm: str, stage: str, full: _Full, windows: str, is_watched: bool) -> Finding:
    active = "" if full.gpu is None else f" while the GPU was at work {percent(full.gpu)} of the time"
    why = "it is a front end, which never waits for a GPU" if full.is_front else "the GPU had time left"
    look = (
        "" if is_watched or full.is_front else " launches.gpu_idle_s above 0 tells whether it polls with nothing to do."
    )
    return Finding(
        id=_FILLS,
        severity=Severity.WARN,
        at={"stage": stage},
        arm=arm,
        text=f"{_used(full.process)}{active}, so in {windows} windows: {why}. Most likely the ratio compares Python, "
        "not GPUs.",
        next=f"Give the server faster cores or more of such processes, and look at its other processes.{look}",
    )


def _cannot_tell(arm: str, stage: str, full: _Full) -> Finding:
    return Finding(
        id=_FILLS,
        severity=Severity.INFO,
        at={"stage": stage},
        arm=arm,
        text=f"{_used(full.process)}. It cannot be told from busy-waiting for the GPU, whose activity is not known; if "
        "it is work, the ratio compares Python, not GPUs.",
        next="Look at the process with a profiler such as py-spy.",
    )


def _waits(arm: str, waits: dict[str, _Full]) -> Iterator[Finding]:
    if waits:
        least = min(full.gpu for full in waits.values() if full.gpu is not None)
        yield Finding(
            id="server-process-waits",
            severity=Severity.INFO,
            arm=arm,
            text=f"{_names([full.process for full in waits.values()])} filled a core at {', '.join(waits)}, but the "
            f"GPU was busy all the time ({percent(least)} or more): the process waits for it.",
        )


def _polls(arm: str, polling: list[ProcessCores]) -> Iterator[Finding]:
    if polling:
        yield Finding(
            id="server-process-polls",
            severity=Severity.INFO,
            arm=arm,
            text=f"With the arm loaded and nobody asking, {_names(polling)} used "
            f"{min(one.cores for one in polling):.2g} to {max(one.cores for one in polling):.2g} cores: it waits by "
            "polling, by design. Its full core under load says nothing of what limits the arm.",
        )


def _names(processes: list[ProcessCores]) -> str:
    names = sorted({one.name for one in processes})
    return ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" * (len(names) > _MOST_NAMES))


CHECKS = (full_cores,)

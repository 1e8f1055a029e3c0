"""What each process of a server used over a span of a launch, and how busy the GPU was meanwhile."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from bench.analysis.energy import SOURCE
from bench.analysis.numbers import Numbers
from bench.store.reader import LaunchData

_GROUP = "server"
# "percentage of time any app was active on the graphics engine" of GPM; before Hopper what nvidia-smi calls utilisation
_ACTIVITY = ("gpm_graphics_ratio", "utilisation_ratio")


@dataclass(frozen=True, slots=True)
class ProcessCores:
    """One process, mean over a span. Equal names are apart: each has its own number."""

    pid: int
    name: str
    cores: float  # of all its threads; a sample without a row of it is 0
    thread_cores: float | None  # of its busiest thread; None = never looked at, as in runs of earlier versions

    @property
    def fullest(self) -> float:
        """Of one core: what a single thread had of it, or all of them where no more is known."""
        return self.cores if self.thread_cores is None else self.thread_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyProcess:
    """All processes of one name at one stage, over the windows of the launches that count."""

    arm: str
    stage: str
    name: str
    count: int  # of them, the most in one launch
    cores: float  # of all together, mean over the windows; a window without them is 0
    thread_cores: float | None  # the busiest thread of any of them, mean over the windows
    idle_cores: float | None  # of all together while the arm was loaded and nobody asked; None = not watched


def process_cores(telemetry: pd.DataFrame, start_s: float, end_s: float) -> tuple[ProcessCores, ...]:
    """Each busy process of the server, the busiest first."""
    inside = telemetry[telemetry["t_s"].between(start_s, end_s) & telemetry["entity"].str.startswith(_GROUP)]
    of_cores = inside[inside["metric"] == "cpu_cores"]
    samples = int((of_cores["entity"] == _GROUP).sum())
    if not samples:
        return ()
    sums = of_cores[of_cores["entity"] != _GROUP].groupby("entity")["value"].sum()
    threads = inside[inside["metric"] == "busiest_thread_cores"].groupby("entity")["value"].mean()
    found = []
    for entity, total in sums.items():
        number, _, name = str(entity).removeprefix(f"{_GROUP}/").partition(" ")
        cores = float(total) / samples
        # of a process that slept in between the looks alone would say too much: no thread is busier than all of them
        thread = min(float(threads[entity]), cores) if entity in threads else None
        found.append(ProcessCores(int(number), name, cores, thread))
    return tuple(sorted(found, key=lambda one: -one.cores))


def idle_cores(one: LaunchData) -> tuple[ProcessCores, ...] | None:
    """Of a launch while its arm was loaded and nobody asked; None where it was not watched."""
    windows = [window for window in one.launch.idle if window.loaded]
    if one.telemetry is None or not windows:
        return None
    rows, window = one.telemetry, windows[0]
    mine = (rows["entity"] == _GROUP) & (rows["metric"] == "cpu_cores")
    if not rows.loc[mine, "t_s"].between(window.start_s, window.end_s).any():  # sampled from the load on, as once
        return None
    return process_cores(rows, window.start_s, window.end_s)


def gpu_activity(gpu: pd.DataFrame | None, start_s: float, end_s: float) -> float | None:
    """Share of the time in which the GPU was at work, mean over the GPUs; `gpu` = rows of the arm's."""
    if gpu is None:
        return None
    inside = gpu[gpu["t_s"].between(start_s, end_s)]
    for metric in _ACTIVITY:
        of_cards = inside[inside["metric"] == metric].groupby("entity")["value"].mean()
        if len(of_cards):
            return float(of_cards.mean())
    return None


def pids_on_gpu(telemetry: pd.DataFrame) -> frozenset[int]:
    """Processes of the server that hold memory of a GPU; empty where the driver lists none of them."""
    held = telemetry[(telemetry["source"] == SOURCE) & (telemetry["metric"] == "process_memory_bytes")]
    told = telemetry[(telemetry["entity"] == _GROUP) & (telemetry["metric"] == "pid")]["value"]
    on_gpu = {int(entity.rpartition("/")[2]) for entity in held["entity"].unique()}
    return frozenset(on_gpu & {int(pid) for pid in told})


def busiest(numbers: Numbers, most: int) -> Iterator[BusyProcess]:
    """The `most` busiest names of each stage and arm."""
    for stage in numbers.scenario.load.stages:
        for arm in numbers.scenario.arms:
            launches = [one for one in numbers.of_arm(arm.name) if one.telemetry is not None]
            spans = [
                process_cores(one.telemetry, window.window_start_s, window.window_end_s)
                for one in launches
                for window in numbers.windows(one)
                if window.stage == stage.id
            ]
            idle = [by_name(found) for one in launches if (found := idle_cores(one)) is not None]
            windows = [by_name(span) for span in spans]
            rows = [_busy(arm.name, stage.id, name, windows, idle) for name in {n for w in windows for n in w}]
            yield from sorted(rows, key=lambda row: (-row.cores, row.name))[:most]


def by_name(found: Iterable[ProcessCores]) -> dict[str, list[ProcessCores]]:
    """Processes under their name: numbers differ from launch to launch."""
    named = defaultdict(list)
    for one in found:
        named[one.name].append(one)
    return dict(named)


def _busy(
    arm: str,
    stage: str,
    name: str,
    windows: list[dict[str, list[ProcessCores]]],
    idle: list[dict[str, list[ProcessCores]]],
) -> BusyProcess:
    known = [[one.thread_cores for one in window.get(name, ()) if one.thread_cores is not None] for window in windows]
    threads = [max(of_window) for of_window in known if of_window]
    return BusyProcess(
        arm=arm,
        stage=stage,
        name=name,
        count=max(len(window.get(name, ())) for window in windows),
        cores=statistics.fmean(_together(window, name) for window in windows),
        thread_cores=statistics.fmean(threads) if threads else None,
        idle_cores=statistics.fmean(_together(window, name) for window in idle) if idle else None,
    )


def _together(window: Mapping[str, list[ProcessCores]], name: str) -> float:
    return sum(one.cores for one in window.get(name, ()))

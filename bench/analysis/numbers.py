"""One number per launch and metric: which launches count, and what each of them gives."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bench.analysis.energy import SOURCE as GPU_SOURCE
from bench.analysis.energy import cut_gpus, gpu_rows, is_elsewhere
from bench.analysis.idle import IdlePower, idle_powers, pooled_idle_w
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.rows import StageRows, stage_rows
from bench.clock import suspended_s
from bench.conclusion import At
from bench.model import Scenario, Stage
from bench.record import Launch, StageWindow
from bench.vocabulary import LaunchStatus, Purpose, Side
from bench.voids import lost_gpus, void_reasons

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.audit import ArmFact
    from bench.store.reader import LaunchData, RunData

NO_LAUNCH = 0  # launches count from 1
SUSPENDED_S = 0.01  # two clocks read back to back differ by microseconds; anything above is sleep


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric at one place; `numbers`: arm -> launch index -> that launch's one number, None where it has none."""

    metric: Metric
    at: At
    numbers: Mapping[str, Mapping[int, float | None]]


@dataclass(frozen=True)
class Numbers:
    """A run's launches that count, and their numbers."""

    data: RunData
    token_means: dict[tuple[str, str, str], float | None] = field(default_factory=dict)  # asked for again and again
    arm_facts: dict[str, dict[str, ArmFact]] = field(default_factory=dict)  # likewise

    @property
    def scenario(self) -> Scenario:
        """The question."""
        return self.data.run.scenario

    @property
    def is_aa(self) -> bool:
        """Whether the arms differ in nothing but their labels: then every difference found is noise."""
        arms = [dataclasses.replace(arm, name="", notice=None, side=Side.BUILD) for arm in self.scenario.arms]
        return len(arms) > 1 and all(arm == arms[0] for arm in arms)

    @cached_property
    def kept(self) -> tuple[LaunchData, ...]:
        """Launches that count: for load, done, not burn-in, host awake; the last attempt where there are several."""
        done = [one for one in self.data.launches if is_done(one.launch) and not one.launch.burn_in]
        last = {one.launch.index: one for one in sorted(done, key=lambda one: one.launch.attempt)}
        return tuple(last[index] for index in sorted(last))

    @cached_property
    def blocks(self) -> Mapping[int, int]:
        """Launch index -> block."""
        return {one.launch.index: one.launch.block for one in self.kept}

    def of_arm(self, arm: str) -> tuple[LaunchData, ...]:
        """The arm's launches that count, in order."""
        return tuple(one for one in self.kept if one.launch.arm == arm)

    @cached_property
    def passes(self) -> Mapping[int, tuple[StageRows, ...]]:
        """Launch index -> the rows of each pass over each stage."""
        return {
            one.launch.index: tuple(self._passes_of(one, one.requests)) for one in self.kept if one.requests is not None
        }

    def _passes_of(self, one: LaunchData, requests: pd.DataFrame) -> Iterator[StageRows]:
        launch, gpu, telemetry = one.launch, self.gpu_rows(one), None if self._is_elsewhere(one) else one.telemetry
        idle = pooled_idle_w(launch, ((other.launch, self.idle[other.launch.index]) for other in self.kept))
        reasons = void_reasons(telemetry, launch.stages, lost_gpus(launch.client))
        for window, reason in zip(launch.stages, reasons, strict=True):
            known = {"gpu": gpu, "devices": launch.devices, "idle_w": idle, "void_reason": reason}
            yield stage_rows(requests, window, **known)

    def windows(self, one: LaunchData) -> tuple[StageWindow, ...]:
        """Those of a launch that count."""
        return tuple(rows.window for rows in self.passes.get(one.launch.index, ()) if rows.void_reason is None)

    @cached_property
    def idle(self) -> Mapping[int, tuple[IdlePower, ...]]:
        """Launch index -> what its GPUs took with nothing to do."""
        return {one.launch.index: idle_powers(one.launch, self.gpu_rows(one)) for one in self.kept}

    def gpu_rows(self, one: LaunchData) -> pd.DataFrame | None:
        """Telemetry of whole GPUs of the launch: none of a card that MIG has cut, whose joules are not its alone."""
        rows = self.cards(one)
        return None if rows is None or cut_gpus(self.data.run.host, set(rows["entity"])) else rows

    def cards(self, one: LaunchData) -> pd.DataFrame | None:
        """Telemetry of the launch's GPUs; None of an arm of which nobody says where it runs."""
        return None if self._is_elsewhere(one) else gpu_rows(one.telemetry)

    def _is_elsewhere(self, one: LaunchData) -> bool:
        return is_elsewhere(self.scenario, one.launch.arm)

    def _of_whole_gpus(self, one: LaunchData) -> LaunchData:
        """The launch without rows of GPUs that MIG has cut."""
        if gpu_rows(one.telemetry) is None or self.gpu_rows(one) is not None:
            return one
        assert one.telemetry is not None
        return dataclasses.replace(one, telemetry=one.telemetry[one.telemetry["source"] != GPU_SOURCE])

    def passes_at(self, arm: str, stage: str) -> list[StageRows]:
        """Every pass of an arm over a stage that counts."""
        return [
            rows
            for one in self.of_arm(arm)
            for rows in self.passes.get(one.launch.index, ())
            if rows.window.stage == stage and rows.void_reason is None
        ]

    def each_stage(self) -> Iterator[tuple[str, Stage, list[StageRows]]]:
        """Every arm at every stage that it was measured at, with its passes."""
        for stage in self.scenario.load.stages:
            for arm in self.scenario.arms:
                passes = self.passes_at(arm.name, stage.id)
                if passes:
                    yield arm.name, stage, passes

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every metric at every place, in the order of the table and the scenario."""
        return tuple(cell for metric in METRICS for cell in self._cells_of(metric))

    def _cells_of(self, metric: Metric) -> list[Cell]:
        if metric.of_stage:
            of_stages = [self._stage_cell(metric, stage) for stage in self.scenario.load.stages]
            return [cell for cell in of_stages if not metric.only_where_known or _is_known(cell)]
        if metric.of_image:
            return [cell for cell in [self._image_cell(metric)] if _is_known(cell)]
        levels = sorted({one.launch.level or "" for one in self.kept}) or [""]
        cells = [self._launch_cell(metric, level) for level in levels]
        return [cell for cell in cells if not metric.only_where_known or _is_known(cell)]

    def _stage_cell(self, metric: Metric, stage: Stage) -> Cell:
        numbers = {
            arm.name: {
                one.launch.index: self._over_rounds(metric, one.launch.index, stage.id) for one in self.of_arm(arm.name)
            }
            for arm in self.scenario.arms
        }
        return Cell(metric, {"stage": stage.id}, numbers)

    def _over_rounds(self, metric: Metric, launch: int, stage: str) -> float | None:
        """Median over rounds; None if any has none or must not count, for a median of the rest would be a choice."""
        assert metric.of_stage is not None
        rounds = [rows for rows in self.passes.get(launch, ()) if rows.window.stage == stage]
        values = [None if rows.void_reason else metric.of_stage(rows) for rows in rounds]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known and len(known) == len(values) else None

    def _launch_cell(self, metric: Metric, level: str) -> Cell:
        assert metric.of_launch is not None
        numbers = {
            arm.name: {
                one.launch.index: metric.of_launch(self._of_whole_gpus(one))
                for one in self.of_arm(arm.name)
                if (one.launch.level or "") == level
            }
            for arm in self.scenario.arms
        }
        return Cell(metric, {"level": level} if level else {}, numbers)

    def _image_cell(self, metric: Metric) -> Cell:
        """One number for each arm, however often it was started: it stands under a launch that there never is."""
        assert metric.of_image is not None
        found = {
            arm.name: metric.of_image(inside) if (inside := self.data.contents.get(arm.name)) else None
            for arm in self.scenario.arms
        }
        return Cell(metric, {}, {arm: {NO_LAUNCH: value} for arm, value in found.items()})

    def by_block(self, cell: Cell, arm: str) -> dict[int, float | None]:
        """An arm's numbers keyed by block, for pairing."""
        return {self.blocks.get(index, index): value for index, value in cell.numbers[arm].items()}


def _is_known(cell: Cell) -> bool:
    return any(value is not None for of_arm in cell.numbers.values() for value in of_arm.values())


def is_done(launch: Launch) -> bool:
    """Whether a launch measured what it was made for."""
    return launch.status is LaunchStatus.DONE and launch.purpose is Purpose.LOAD and slept_s(launch) <= SUSPENDED_S


def slept_s(launch: Launch) -> float:
    """Seconds that the host slept during the launch."""
    return suspended_s(launch.t0["start"], launch.t0["end"]) if {"start", "end"} <= set(launch.t0) else 0.0

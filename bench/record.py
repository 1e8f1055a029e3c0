"""The nouns of what happened: the facts that a run folder holds.

Times are seconds since the launch's t0 on CLOCK_MONOTONIC; None means not known, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.container import ImageRecord
from bench.model import Plan, Scenario
from bench.vocabulary import (
    FailureKind,
    LaunchStatus,
    Level,
    Mark,
    Purpose,
    Replication,
    RunStatus,
    Severity,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One instant on three clocks, so that other clocks' times can be converted and a reboot is seen."""

    monotonic_ns: int
    boottime_ns: int
    boot_id: str
    utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a reader must know before believing a number: seen, number, likely cause; `next` = the next step."""

    id: str
    severity: Severity
    text: str
    next: str | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    arm: str | None = None
    launch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWindow:
    """The instants of one stage in one round, seconds since the launch's t0. `ramp` ends at in_flight_reached_s."""

    stage: str
    round: int
    start_s: float
    in_flight_reached_s: float | None
    warm_end_s: float
    window_start_s: float
    window_end_s: float
    drain_end_s: float
    in_flight_reached: int  # the most requests in flight at once
    server_age_s: float | None  # window start minus process start


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleWindow:
    """The arm's GPUs with nothing to do, seconds since the launch's t0."""

    loaded: bool  # the arm serves and nobody asks; else it was not there yet
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an arm did not serve, with the repair."""

    kind: FailureKind
    text: str
    repair: str
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """launch.json: one start of one arm, the unit of replication."""

    index: int
    arm: str
    block: int
    order_in_block: int
    attempt: int
    burn_in: bool
    status: LaunchStatus
    t0: Mapping[str, Stamp]  # "start", "end"
    command: tuple[str, ...]  # one paste-able line per process, redacted
    purpose: Purpose = Purpose.LOAD
    level: Level | None = None
    level_evidence: str | None = None
    replication: Replication = Replication.LAUNCH
    void_reason: str | None = None
    failure: Failure | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    container_id: str | None = None
    image: ImageRecord | None = None  # how its image came before this very launch; None = it was there
    container_layer_bytes: int | None = None  # written beside the volumes: gone with the container
    marks: Mapping[Mark, float] = field(default_factory=dict)  # seconds since t0
    effective_config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageWindow, ...] = ()
    idle: tuple[IdleWindow, ...] = ()
    client: Mapping[str, Any] = field(default_factory=dict)  # facts on the load processes, e.g. cpu_s per stage
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """run.json: what was asked, on which host, and how it ended."""

    run_schema: int
    nimbench_version: str
    id: str
    status: RunStatus
    created_utc: str
    ended_utc: str | None
    scenario: Scenario
    plan: Plan
    host: Mapping[str, Any]
    versions: Mapping[str, str]
    origin: Mapping[str, Any]  # {"tool": "nimbench"} or an importer's facts; git commit where known
    calibration: tuple[Mapping[str, Any], ...] = ()  # the instrument's own error, a row per stage
    model_files: Mapping[str, str] = field(default_factory=dict)  # file name -> sha256
    images: Mapping[str, ImageRecord] = field(default_factory=dict)  # arm -> how its image came here
    prepared: Mapping[str, Any] = field(
        default_factory=dict
    )  # what was prepared: profiles, weights, alignment, placement
    error: str | None = None
    failure: Failure | None = None  # of the preparation, before any launch; a launch keeps its own
    findings: tuple[Finding, ...] = ()

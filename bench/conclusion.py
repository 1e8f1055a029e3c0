"""The nouns of what was concluded: summary.json, the contract for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.record import Finding
from bench.vocabulary import Better, Kind, Role, Side, Verdict

Interval = tuple[float, float]
At = Mapping[str, str]  # {"stage"}, {"level"}, {"slo"} or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One metric of one arm: the centre over launches (geometric mean where all are positive) and its interval."""

    metric: str
    at: At
    value: float | None
    ci95: Interval | None
    n: int
    per_launch: Mapping[int, float] = field(default_factory=dict)  # launch index -> that launch's one number


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of two arms, from the candidate's side. Key: metric, at, baseline, candidate."""

    metric: str
    at: At
    baseline: str
    candidate: str
    role: Role
    kind: Kind
    unit: str
    better: Better
    baseline_value: float | None
    candidate_value: float | None
    ratio: float | None
    ci95: Interval | None
    ci90: Interval | None
    delta: float | None
    margin: float
    verdict: Verdict
    reason: str | None
    method: str
    p_holm: float | None
    n: Mapping[str, int]  # baseline, candidate, pairs
    mde: float | None  # smallest ratio - 1 that this many pairs would show with 80 % power
    launches_needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do. state: one, several or unknown; side: buy, build or none."""

    arms: tuple[str, ...]
    state: str
    side: str
    sentence: str
    because: tuple[str, ...]
    break_even: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One arm's numbers."""

    side: Side
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """A mean over blocks with its t interval; None where there are too few blocks for one."""

    value: float
    ci95: Interval | None
    n: int  # blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What the pulls of one arm brought and its pushes sent, mean over its launches.

    Layers that the host had are in no pull. A push into an empty registry sends them too.
    """

    arm: str
    wire_bytes: float | None
    disk_bytes: float | None
    files: float | None
    layers: float
    pushed_wire_bytes: float | None = None
    pushed_disk_bytes: float | None = None
    pushed_files: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Seconds per gigabyte (10^9 bytes) of one metric: a line through the series in each block, and their mean."""

    metric: str
    per: str  # "wire" or "disk": which bytes
    s_per_gb: Estimated
    at_zero_s: Estimated  # where the line begins
    bend_s: Estimated | None  # how far the middle of the series lies below a curve's ends; about 0 for a line
    scatter_s: float | None  # standard deviation of a launch about its block's line


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One metric by what it may depend on at once, over the arms of the series and the predicted ones."""

    metric: str
    arms: tuple[str, ...]
    s_per_wire_gb: Estimated
    s_per_disk_gb: Estimated
    s_per_1000_files: Estimated | None  # None = not to be told apart from the bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One metric of an arm from the series alone, and as it was measured in the same blocks."""

    metric: str
    arm: str
    predicted_s: float
    interval95: Interval | None  # for one launch
    measured: Estimated
    ratio: Estimated | None  # measured / predicted within the blocks, geometric
    within: int | None  # launches inside the interval
    is_informative: bool | None  # whether the interval is no wider than predicted_s; None without an interval
    beyond: tuple[str, ...]  # by what the series does not cover the arm: "bytes", "files", "compression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Two arms of equal bytes that are packed otherwise: second / first within the blocks, geometric."""

    metric: str
    first: str
    second: str
    first_s: float
    second_s: float
    ratio: Estimated


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """A bandwidth at which two costs are equal. `second` None: of downloading and unpacking the same bytes."""

    first: str | None  # the fatter image, or the image whose bytes they are; None = a gigabyte of the series
    second: str | None  # the leaner image
    bits_per_s: float | None  # None = there is no such bandwidth
    ci95: Interval | None  # its upper end may be infinite
    wire_bytes_saved: float | None = None
    lost_beside_download_s: Estimated | None = None  # of pull to first token without the download; below 0 = gained


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What the pulls of the series brought: the images for which its lines hold."""

    disk_bytes: Interval  # least and most
    most_files: float | None
    wire_per_disk_ratio: float | None  # of each further byte on the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseResponse:
    """What a gigabyte of image costs on this host, and what that predicts."""

    doses: tuple[Dose, ...]
    slopes: tuple[Slope, ...]
    splits: tuple[Split, ...]
    predictions: tuple[Prediction, ...]
    packings: tuple[Packing, ...]
    break_even: tuple[BreakEven, ...]
    bandwidth_bits_per_s: float | None  # that the registry was held to; None = the loopback's own
    doubts: tuple[str, ...] = ()
    covered: Covered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """summary.json as an object."""

    schema: int
    nimbench_version: str
    scenario: str
    run: str
    status: str
    created_utc: str
    provisional: bool
    aa: Mapping[str, Any] | None
    arms: Mapping[str, ArmSummary]
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]
    decision: Decision
    dose: DoseResponse | None = None  # only of a scenario that asks for it

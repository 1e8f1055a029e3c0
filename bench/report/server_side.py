"""What the servers said of themselves, beside what the client saw: one row for each stage and arm."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.counters import Bracket
from bench.analysis.server_side import ServerSide, server_sides
from bench.report import format as fmt
from bench.report.subject import Subject


@dataclass(frozen=True, slots=True)
class ServerRow:
    """Texts, ready to be shown."""

    stage: str
    arm: str
    client_ttft: str
    server_ttft: str
    between: str  # what lies between the two
    running: str
    waiting: str
    kv_peak: str
    preemptions: str
    prefix_hits: str


@dataclass(frozen=True, slots=True)
class QuantileRow:
    """Texts of the TTFT's quantiles; the server's are intervals."""

    stage: str
    arm: str
    client_p50: str
    server_p50: str
    client_p90: str
    server_p90: str


def server_tables(subject: Subject) -> tuple[tuple[ServerRow, ...], tuple[QuantileRow, ...]]:
    """Nothing where no server says anything, no quantiles where none shows a histogram."""
    sides = server_sides(subject.numbers)
    quantiles = tuple(_quantiles(one) for one in sides) if any(one.server_p50 for one in sides) else ()
    return tuple(_row(one) for one in sides), quantiles


def bracket_text(bracket: Bracket | None) -> str:
    """`0.1–0.25 s`, `below 50 ms`, `above 640 s`: the bounds as the server names them, with no digit of ours."""
    if bracket is None:
        return fmt.UNKNOWN
    if bracket.high_s is None:
        return f"above {fmt.exact(bracket.low_s, 's')}"
    if not bracket.low_s:
        return f"below {fmt.exact(bracket.high_s, 's')}"
    scale = fmt.scale_for("s", (bracket.high_s,))
    return f"{bracket.low_s * scale.factor:.10g}–{fmt.exact(bracket.high_s, 's', scale=scale)}"


def _quantiles(one: ServerSide) -> QuantileRow:
    return QuantileRow(
        stage=fmt.safe_text(one.stage, 60), arm=one.arm,
        client_p50=fmt.quantity(one.client_p50_s, "s"), server_p50=bracket_text(one.server_p50),
        client_p90=fmt.quantity(one.client_p90_s, "s"), server_p90=bracket_text(one.server_p90),
    )  # fmt: skip


def _row(one: ServerSide) -> ServerRow:
    known = one.client_ttft_s is not None and one.server_ttft_s is not None
    between = one.client_ttft_s - one.server_ttft_s if known else None  # type: ignore[operator]
    return ServerRow(
        stage=fmt.safe_text(one.stage, 60), arm=one.arm,
        client_ttft=fmt.quantity(one.client_ttft_s, "s"), server_ttft=fmt.quantity(one.server_ttft_s, "s"),
        between=fmt.quantity(between, "s"),
        running=fmt.number(one.running, 1), waiting=fmt.number(one.waiting, 1),
        kv_peak=fmt.percent(one.kv_peak_ratio), preemptions=fmt.number(one.preemptions, 0),
        prefix_hits=fmt.percent(one.prefix_hit_ratio),
    )  # fmt: skip

"""What the servers said of themselves, beside what the client saw: one row for each stage and arm."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.numbers import Numbers
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


def server_rows(subject: Subject) -> tuple[ServerRow, ...]:
    """Nothing where no server says anything."""
    return tuple(_row(one) for one in server_sides(Numbers(subject.data)))


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

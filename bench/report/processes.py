"""Which processes of each server were busy: one row for each name, stage and arm."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.process_use import BusyProcess, busiest
from bench.report import format as fmt
from bench.report.subject import Subject

_MOST = 5  # of each stage and arm


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """Texts, ready to be shown."""

    stage: str
    arm: str
    process: str
    cores: str
    thread: str
    idle: str


def process_rows(subject: Subject) -> tuple[ProcessRow, ...]:
    """Nothing where no server's processes were sampled, as behind a url."""
    return tuple(_row(one) for one in busiest(subject.numbers, _MOST))


def _row(one: BusyProcess) -> ProcessRow:
    return ProcessRow(
        stage=fmt.safe_text(one.stage, 60), arm=one.arm,
        process=fmt.safe_text(one.name, 60) + (f" × {one.count}" if one.count > 1 else ""),
        cores=fmt.number(one.cores, 2), thread=fmt.number(one.thread_cores, 2), idle=fmt.number(one.idle_cores, 2),
    )  # fmt: skip

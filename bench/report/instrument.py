"""The instrument's own error beside what it measured: how much of a TTFT may be the client's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.report import format as fmt
from bench.report.subject import Subject


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    """One stage: the client's error against the reference server, and each arm's measured TTFT beside it."""

    stage: str
    concurrency: str
    requests: str  # with fewer than a hundred the p99 is the worst of them
    ttft_error: str
    itl_error: str
    client_cpu: str
    measured: tuple[str, ...]  # per arm: TTFT p50 and the share of it that the error is


def instrument_rows(subject: Subject) -> tuple[InstrumentRow, ...]:
    """A row per calibrated stage."""
    return tuple(_row(subject, one) for one in subject.run.calibration)


def _row(subject: Subject, one: Mapping[str, Any]) -> InstrumentRow:
    stage, error = str(one.get("stage")), _number(one.get("ttft_error_p50_s"))
    return InstrumentRow(
        stage=fmt.safe_text(stage, 60), concurrency=fmt.safe_text(one.get("concurrency") or "open loop", 60),
        requests=fmt.safe_text(one.get("requests", fmt.UNKNOWN), 60),
        ttft_error=_both(one, "ttft_error"), itl_error=_both(one, "itl_error"),
        client_cpu=fmt.quantity(_number(one.get("client_cpu_s")), "s"),
        measured=tuple(_measured(subject, arm.name, stage, error) for arm in subject.arms),
    )  # fmt: skip


def _both(one: Mapping[str, Any], name: str) -> str:
    p50, p99 = _number(one.get(f"{name}_p50_s")), _number(one.get(f"{name}_p99_s"))
    return f"{fmt.quantity(p50, 's')} / {fmt.quantity(p99, 's')}"


def _measured(subject: Subject, arm: str, stage: str, error: float | None) -> str:
    value = subject.value(arm, "ttft_p50_s", stage)
    if value is None or not value.value:
        return fmt.UNKNOWN
    share = f" (error {fmt.percent(error / value.value)} of it)" if error is not None else ""
    return f"{fmt.quantity(value.value, 's')}{share}"


def _number(found: Any) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

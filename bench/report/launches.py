"""What became of each planned launch: what counts, what was left out and why, what failed, and the raw files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.conclusion import Value
from bench.record import Launch
from bench.report import format as fmt
from bench.report.subject import Subject
from bench.vocabulary import LaunchStatus, Mark

_LISTED_FILES = 400


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """One planned launch and what became of it."""

    index: int
    block: str
    order: int
    arm: str
    attempt: str
    status: str
    css: str
    ready: str
    primary: str
    use: str
    written: str = fmt.UNKNOWN  # by the container, outside its volumes


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A launch whose arm did not serve."""

    launch: str
    arm: str
    kind: str
    text: str
    repair: str
    log: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """A raw file of the run folder."""

    path: str
    href: str
    size: str


def launch_rows(subject: Subject) -> tuple[LaunchRow, ...]:
    """Every attempt in order, then what was planned and never began."""
    void = _void_stages(subject)
    rows = [_launch_row(subject, one.launch, void.get(one.launch.index, "")) for one in subject.data.launches]
    begun = {one.launch.index for one in subject.data.launches}
    for planned in subject.run.plan.launches:
        if planned.index not in begun:
            rows.append(
                LaunchRow(
                    planned.index, str(planned.block), planned.order_in_block + 1, planned.arm, "none", "missing",
                    "interrupted", fmt.UNKNOWN, fmt.UNKNOWN, "not there",
                )
            )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (row.index, row.attempt)))


def _void_stages(subject: Subject) -> dict[int, str]:
    """Launch index -> the stages at which it gives no number, and why."""
    found = {
        index: dict.fromkeys(f"{rows.window.stage} ({rows.void_reason})" for rows in passes if rows.void_reason)
        for index, passes in subject.numbers.passes.items()
    }
    return {index: ", ".join(stages) for index, stages in found.items() if stages}


def _launch_row(subject: Subject, launch: Launch, void_stages: str) -> LaunchRow:
    primary = subject.scenario.primary
    value = subject.value(launch.arm, primary.metric, primary.stage)
    unit = subject.primary.unit if subject.primary else ""
    done = launch.status is LaunchStatus.DONE
    reason = launch.void_reason or (launch.failure.text if launch.failure else "")
    counts = f"counts, but not at {void_stages}" if void_stages else "counts"
    use = "left out: burn-in" if launch.burn_in else (counts if done else f"left out: {reason or launch.status}")
    return LaunchRow(
        index=launch.index, block=str(launch.block), order=launch.order_in_block + 1, arm=launch.arm,
        attempt=str(launch.attempt), status=launch.status.value, css=launch.status.value,
        ready=fmt.quantity(_ready_s(launch), "s"),
        primary="left out" if launch.burn_in else fmt.quantity(_of(value, launch.index), unit), use=fmt.safe_text(use),
        written=fmt.quantity(launch.container_layer_bytes, "bytes"),
    )  # fmt: skip


def _ready_s(launch: Launch) -> float | None:
    """The stopwatch of the metric `start_to_ready_s`: marks count from the launch's t0, which is a little earlier."""
    ready, created = launch.marks.get(Mark.READY), launch.marks.get(Mark.CREATED)
    return None if ready is None or created is None else ready - created


def failures(subject: Subject) -> tuple[FailureRow, ...]:
    """Every launch that failed, with the repair and its last words."""
    return tuple(
        FailureRow(
            launch=f"{one.index}" + (f", attempt {one.attempt}" if one.attempt > 1 else ""), arm=one.arm,
            kind=one.failure.kind.value, text=fmt.safe_text(one.failure.text, 1_000),
            repair=fmt.safe_text(one.failure.repair, 600), log=fmt.safe_text("\n".join(one.failure.log_tail), 4_000),
        )
        for one in (data.launch for data in subject.data.launches)
        if one.failure
    )  # fmt: skip


def _of(value: Value | None, launch: int) -> float | None:
    return value.per_launch.get(launch) if value else None


def files(folder: Path) -> tuple[FileRow, ...]:
    """The raw files, smallest path first, as links that work from the page's own folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(_file_row(folder, path) for path in _raw(found)[:_LISTED_FILES])


def _raw(paths: Iterable[Path]) -> list[Path]:
    derived = {"report.html", "report.md", "summary.json"}
    return [path for path in paths if path.name not in derived and not path.name.startswith(".")]


def _file_row(folder: Path, path: Path) -> FileRow:
    inside = path.relative_to(folder).as_posix()
    return FileRow(fmt.safe_text(inside), quote(inside), fmt.quantity(path.stat().st_size, "bytes"))

"""Writes a run folder: run.json first, a launch only when it is whole, nothing half-written ever visible."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench import __version__
from bench.clock import utc_now
from bench.errors import LimitError
from bench.model import Plan, PlannedLaunch, Scenario
from bench.record import Finding, Launch, Run
from bench.secrets import Redactor
from bench.store import layout
from bench.store.records import RUN_SCHEMA, launch_text, run_text
from bench.vocabulary import RunStatus

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class LaunchDir:
    """A launch in progress: files go into `folder`, which takes its name when the launch is finished."""

    name: layout.LaunchName
    folder: Path
    target: Path

    @property
    def log_path(self) -> Path:
        """Where the arm's output goes while it runs."""
        return self.folder / layout.SERVER_LOG

    @property
    def scratch(self) -> Path:
        """The arm's own folder, gone when the launch is finished."""
        return self.folder / layout.SCRATCH


class RunWriter:
    """The one hand that writes into a run folder."""

    def __init__(self, folder: Path, run: Run, redactor: Redactor) -> None:
        self.folder, self.run, self._redactor = folder, run, redactor

    def update(self, **changes: Any) -> None:
        """Rewrite run.json with some fields changed."""
        self.run = dataclasses.replace(self.run, **changes)
        with disk_errors(self.folder):
            _replace_text(self.folder / layout.RUN_FILE, run_text(self.run, self._redactor))

    def add_finding(self, finding: Finding) -> None:
        """One more thing that a reader of the run must know."""
        self.update(findings=(*self.run.findings, finding))

    def begin_launch(self, planned: PlannedLaunch, attempt: int = 1) -> LaunchDir:
        """A fresh hidden folder for this launch, with its scratch folder."""
        name = layout.LaunchName(planned.index, planned.arm, attempt)
        target = self.folder / layout.LAUNCHES / str(name)
        launch_dir = LaunchDir(name, layout.partial(target), target)
        with disk_errors(self.folder):
            launch_dir.scratch.mkdir(parents=True)
        return launch_dir

    def finish_launch(
        self,
        launch_dir: LaunchDir,
        launch: Launch,
        requests: pa.Table | None = None,
        chunks: pa.Table | None = None,
        telemetry: pa.Table | None = None,
    ) -> Path:
        """Write the launch's files, make them durable and give the folder its name."""
        shutil.rmtree(launch_dir.scratch, ignore_errors=True)
        folder = launch_dir.folder
        with disk_errors(self.folder, clean=folder):
            _redact_file(launch_dir.log_path, self._redactor)
            tables = {
                layout.REQUESTS_FILE: requests
                if requests is None
                else _redact_column(requests, "error", self._redactor),
                layout.CHUNKS_FILE: chunks,
                layout.TELEMETRY_FILE: telemetry,
            }
            for file_name, table in tables.items():
                if table is not None:
                    _write_parquet(folder / file_name, table)
            _write(folder / layout.LAUNCH_FILE, launch_text(launch, self._redactor).encode())
            _sync_folder(folder)
            folder.rename(launch_dir.target)
            _sync_folder(launch_dir.target.parent)
        return launch_dir.target

    def next_attempt(self, planned: PlannedLaunch) -> int:
        """1, or one more than the last attempt that left a folder, killed ones included."""
        folders = (*layout.launch_folders(self.folder), *layout.partial_launch_folders(self.folder))
        names = [name for path in folders if (name := layout.parse_launch_name(path.name))]
        return 1 + max((name.attempt for name in names if name.index == planned.index), default=0)

    def close(self, status: RunStatus, *, error: str | None = None) -> None:
        """Say in run.json how it ended."""
        self.update(status=status, ended_utc=utc_now(), error=error)


def create_run(
    results_dir: Path,
    scenario: Scenario,
    plan: Plan,
    *,
    host: Mapping[str, Any],
    versions: Mapping[str, str],
    origin: Mapping[str, Any],
    redactor: Redactor | None = None,
) -> RunWriter:
    """A new run folder that appears with its run.json inside, status `started`."""
    run_id = layout.new_run_id()
    folder = results_dir / scenario.name / run_id
    run = Run(
        run_schema=RUN_SCHEMA,
        nimbench_version=__version__,
        id=run_id,
        status=RunStatus.STARTED,
        created_utc=utc_now(),
        ended_utc=None,
        scenario=scenario,
        plan=plan,
        host=host,
        versions=versions,
        origin=origin,
    )
    redactor = redactor or Redactor()
    growing = layout.partial(folder)
    with disk_errors(results_dir, clean=growing):
        (growing / layout.LAUNCHES).mkdir(parents=True)
        _write(growing / layout.RUN_FILE, run_text(run, redactor).encode())
        _sync_folder(growing)
        growing.rename(folder)
        _sync_folder(folder.parent)
    return RunWriter(folder, run, redactor)


def open_run(folder: Path, run: Run, *, redactor: Redactor | None = None) -> RunWriter:
    """A writer that goes on with an existing run folder."""
    return RunWriter(folder, run, redactor or Redactor())


@contextmanager
def disk_errors(place: Path, *, clean: Path | None = None) -> Iterator[None]:
    """A full disk becomes one clear error; what was half-written at `clean` goes away."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        if clean is not None:
            shutil.rmtree(clean, ignore_errors=True)
        raise LimitError(
            f"{place}: no room left to write results ({error.strerror})\n"
            f"  repair: free space there; then `nimbench run --resume` goes on: what was finished is kept"
        ) from error


def _write_parquet(path: Path, table: pa.Table) -> None:
    _write_file(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _write(path: Path, data: bytes) -> None:
    _write_file(path, lambda file: file.write(data))


def _write_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    with path.open("wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())


def _replace_text(path: Path, text: str) -> None:
    """Atomic: a reader sees the old text or the new one."""
    growing = layout.partial(path)
    try:
        _write(growing, text.encode())
        growing.replace(path)
    except OSError:
        growing.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _redact_file(path: Path, redactor: Redactor) -> None:
    """The runtime redacts line by line; this catches what it wrote before it knew."""
    if not path.exists():
        return
    text = path.read_text("utf-8", errors="replace")
    clean = redactor.text(text)
    if clean != text:
        path.write_text(clean, "utf-8")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _redact_column(table: pa.Table, column: str, redactor: Redactor) -> pa.Table:
    if column not in table.column_names:
        return table
    texts = [text if text is None else redactor.text(text) for text in table.column(column).to_pylist()]
    position = table.schema.get_field_index(column)
    return table.set_column(position, table.schema.field(column), pa.array(texts, pa.string()))

"""Writes a run folder: run.json first, a launch only when it is whole, nothing half-written ever visible."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench import __version__
from bench.anatomy import ImageContents
from bench.clock import utc_now
from bench.errors import InputError
from bench.model import Plan, PlannedLaunch, Scenario
from bench.record import Finding, Launch, Run
from bench.secrets import Redactor
from bench.store import layout
from bench.store.contents import write_contents
from bench.store.durable import disk_errors, replace_text, sync_folder, write_bytes, write_parquet
from bench.store.records import RUN_SCHEMA, launch_text, parse_launch, redactor_of, run_text
from bench.vocabulary import LaunchStatus, RunStatus


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
            replace_text(self.folder / layout.RUN_FILE, run_text(self.run, self._redactor))

    def add_finding(self, finding: Finding) -> None:
        """One more thing that a reader of the run must know."""
        self.update(findings=(*self.run.findings, finding))

    def add_contents(self, arm: str, contents: ImageContents) -> Path:
        """What is in an arm's image."""
        return write_contents(self.folder, arm, contents, self._redactor)

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
                    write_parquet(folder / file_name, table)
            write_bytes(folder / layout.LAUNCH_FILE, launch_text(launch, self._redactor).encode())
            sync_folder(folder)
            folder.rename(launch_dir.target)
            sync_folder(launch_dir.target.parent)
        return launch_dir.target

    def next_attempt(self, planned: PlannedLaunch) -> int:
        """1, or one more than the last attempt that left a folder, killed ones included."""
        folders = (*layout.launch_folders(self.folder), *layout.partial_launch_folders(self.folder))
        names = [name for path in folders if (name := layout.parse_launch_name(path.name))]
        return 1 + max((name.attempt for name in names if name.index == planned.index), default=0)

    def done_launches(self) -> frozenset[int]:
        """Indexes of the planned launches that are finished and good; one whose record is damaged is not."""
        done = set()
        for folder in layout.launch_folders(self.folder):
            path = folder / layout.LAUNCH_FILE
            try:
                launch = parse_launch(path.read_text("utf-8"), where=str(path))
            except (InputError, OSError, UnicodeDecodeError):
                continue
            if launch.status is LaunchStatus.DONE and (folder / layout.REQUESTS_FILE).exists():
                done.add(launch.index)
        return frozenset(done)

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
    redactor = redactor or redactor_of(scenario)
    growing = layout.partial(folder)
    with disk_errors(results_dir, clean=growing):
        (growing / layout.LAUNCHES).mkdir(parents=True)
        write_bytes(growing / layout.RUN_FILE, run_text(run, redactor).encode())
        sync_folder(growing)
        growing.rename(folder)
        sync_folder(folder.parent)
    return RunWriter(folder, run, redactor)


def open_run(folder: Path, run: Run, *, redactor: Redactor | None = None) -> RunWriter:
    """A writer that goes on with an existing run folder."""
    return RunWriter(folder, run, redactor or Redactor())


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

"""Reads a run folder, whatever instant it was killed at: what is there, and the names of what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.anatomy import ImageContents
from bench.errors import InputError
from bench.model import PlannedLaunch
from bench.record import Launch, Run
from bench.store import layout
from bench.store.contents import read_contents
from bench.store.records import parse_launch, parse_run
from bench.vocabulary import LaunchStatus


@dataclass(frozen=True, slots=True)
class LaunchData:
    """One attempt at a launch. Tables are read for `done` launches only: the others measured nothing."""

    launch: Launch
    requests: pd.DataFrame | None
    telemetry: pd.DataFrame | None
    folder: Path


@dataclass(frozen=True, slots=True)
class RunData:
    """A run as found on disk; `missing` says in words what the plan wanted and is not there."""

    run: Run
    launches: tuple[LaunchData, ...]
    folder: Path
    missing: tuple[str, ...]
    contents: Mapping[str, ImageContents] = field(default_factory=dict)  # arm -> what is in its image


def load_run(path: str | Path) -> RunData:
    """Everything that is whole in a run folder; InputError when it is no run folder at all."""
    folder = _run_folder(Path(path))
    run = parse_run((folder / layout.RUN_FILE).read_text("utf-8"), where=str(folder / layout.RUN_FILE))
    missing: list[str] = []
    launches = [data for place in layout.launch_folders(folder) if (data := _load_launch(place, missing))]
    missing += [text for planned in run.plan.launches if (text := _absence(planned, launches, folder))]
    contents = read_contents(folder, (arm.name for arm in run.scenario.arms), missing)
    return RunData(run=run, launches=tuple(launches), folder=folder, missing=tuple(missing), contents=contents)


def _run_folder(path: Path) -> Path:
    folder = path.parent if path.name == layout.RUN_FILE else path
    if not (folder / layout.RUN_FILE).is_file():
        raise InputError(
            "no run folder",
            where=str(path),
            expected=f"a folder that holds {layout.RUN_FILE}",
            got="no such folder" if not folder.is_dir() else f"a folder without {layout.RUN_FILE}",
            repair="`nimbench list` shows the runs",
        )
    return folder


def _load_launch(folder: Path, missing: list[str]) -> LaunchData | None:
    """One launch, None when its record cannot be read: the others are not to suffer."""
    try:
        launch = parse_launch((folder / layout.LAUNCH_FILE).read_text("utf-8"), where=str(folder / layout.LAUNCH_FILE))
    except (InputError, OSError, UnicodeDecodeError) as error:
        missing.append(f"{folder.name}: its {layout.LAUNCH_FILE} cannot be read ({_first_line(error)})")
        return None
    if launch.status is not LaunchStatus.DONE:
        return LaunchData(launch, None, None, folder)
    requests = _load_table(folder / layout.REQUESTS_FILE, missing)
    telemetry = _load_table(folder / layout.TELEMETRY_FILE, missing)
    return LaunchData(launch, requests, telemetry, folder)


def _load_table(path: Path, missing: list[str]) -> pd.DataFrame | None:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except FileNotFoundError:
        missing.append(f"{path.parent.name}: has no {path.name}")
    except (pa.ArrowException, OSError, ValueError) as error:
        missing.append(f"{path.parent.name}: its {path.name} cannot be read ({_first_line(error)})")
    else:
        return table
    return None


def _absence(planned: PlannedLaunch, launches: list[LaunchData], folder: Path) -> str | None:
    """What is not there of a planned launch, None when one attempt at it was done."""
    attempts = [data.launch for data in launches if data.launch.index == planned.index]
    if any(launch.status is LaunchStatus.DONE for launch in attempts):
        return None
    name = f"launch {planned.index} (arm {planned.arm}, block {planned.block})"
    if attempts:
        last = attempts[-1]
        reason = last.void_reason or (last.failure.text if last.failure else None)
        return f"{name} ended as {last.status}" + (f": {reason}" if reason else "")
    begun = [path.name for path in layout.partial_launch_folders(folder) if _is_attempt(path, planned.index)]
    return f"{name} never finished" + (f"; what it left lies in {layout.LAUNCHES}/{begun[-1]}" if begun else "")


def _is_attempt(path: Path, index: int) -> bool:
    name = layout.parse_launch_name(path.name)
    return name is not None and name.index == index


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

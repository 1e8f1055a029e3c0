"""Names and places in a run folder: the one file that knows where everything lies."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RUN_FILE = "run.json"
LAUNCH_FILE = "launch.json"
LAUNCHES = "launches"
SERVER_LOG = "server.log"
REQUESTS_FILE = "requests.parquet"
CHUNKS_FILE = "chunks.parquet"
TELEMETRY_FILE = "telemetry.parquet"
PREPARE = "prepare"  # what builds and downloads said
SCRATCH = "scratch"  # of a launch in progress; never part of a finished one
IMAGES = "images"  # what is in each arm's image
PARTIAL = ".partial"  # ends the name of a folder in progress, which also starts with a dot

_LAUNCH_NAME = re.compile(r"^(?P<index>\d{3,})(?:\.(?P<attempt>\d+))?-(?P<arm>.+)$")


@dataclass(frozen=True, slots=True)
class LaunchName:
    """What the name of a launch's folder says."""

    index: int
    arm: str
    attempt: int

    def __str__(self) -> str:
        """`005-custom`, and `005.2-custom` for the second attempt."""
        attempt = f".{self.attempt}" if self.attempt > 1 else ""
        return f"{self.index:03d}{attempt}-{self.arm}"


def parse_launch_name(name: str) -> LaunchName | None:
    """The parts of a finished or partial launch folder's name, None for any other name."""
    match = _LAUNCH_NAME.match(name.removeprefix(".").removesuffix(PARTIAL))
    return LaunchName(int(match["index"]), match["arm"], int(match["attempt"] or 1)) if match else None


def new_run_id() -> str:
    """`<utc>-<id>`: sorts by time, and two runs of one second differ."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def partial(path: Path) -> Path:
    """Where `path` grows until it is whole: hidden, beside it, on the same file system."""
    return path.with_name(f".{path.name}{PARTIAL}")


def is_partial(path: Path) -> bool:
    """Whether this is a file or folder in progress, or the remains of one that was killed."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL)


def launch_folders(run_folder: Path) -> tuple[Path, ...]:
    """Folders of finished launches, by index and attempt."""
    return tuple(path for path in _named(run_folder) if not is_partial(path))


def partial_launch_folders(run_folder: Path) -> tuple[Path, ...]:
    """Folders of launches that were under way when somebody killed the run."""
    return tuple(path for path in _named(run_folder) if is_partial(path))


def _named(run_folder: Path) -> list[Path]:
    folder = run_folder / LAUNCHES
    if not folder.is_dir():
        return []
    named = [(name, path) for path in folder.iterdir() if path.is_dir() and (name := parse_launch_name(path.name))]
    return [path for _, path in sorted(named, key=lambda pair: (pair[0].index, pair[0].attempt))]

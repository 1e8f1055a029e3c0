"""The cache volume: what download-to-cache brings into it, and the workspace that a start makes of it.

The hub is a folder, mounted read-only at /hub; a start reads the cache alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from stand_in.engines import Engine
from stand_in.log import log
from stand_in.profiles import Profile

HUB = Path("/hub")
KEY = "NGC_API_KEY"


def cache_path() -> Path:
    """NIM_CACHE_PATH."""
    return Path(os.environ.get("NIM_CACHE_PATH", "/opt/nim/.cache"))


def snapshot(profile: Profile) -> Path:
    """Where a profile's files lie, in the layout of NIM's own cache."""
    return cache_path() / "ngc" / "hub" / "models--stand-in--tiny-llama" / "snapshots" / profile.precision


def download(engine: Engine, profile: Profile) -> None:
    """Copy the profile's files from the hub; each appears whole, and one that is there is kept."""
    check_key()
    files = hub_files(engine, profile)
    place = snapshot(profile)
    place.mkdir(parents=True, exist_ok=True)
    for source in files:
        target = place / source.name
        if target.exists():
            log("INFO", f"File: {source.name} found in cache: {str(target)!r}")
            continue
        unfinished = place / f".{source.name}.part"
        shutil.copyfile(source, unfinished)
        unfinished.rename(target)
        log("INFO", f"Downloaded filename: {source.name} to {str(target)!r}")


def check_key() -> None:
    """STAND_IN_HUB_NEEDS_KEY=1: the hub of a production branch, which wants a key."""
    if os.environ.get("STAND_IN_HUB_NEEDS_KEY") == "1" and not os.environ.get(KEY):
        raise PermissionError(f"401 Client Error: Unauthorized for url: stand-in:///hub ({KEY} is not set)")


def hub_files(engine: Engine, profile: Profile) -> list[Path]:
    """Files of this precision; FileNotFoundError names the mount where there are none."""
    for pattern in engine.precisions[profile.precision]:
        files = sorted(path for path in HUB.glob(pattern) if path.is_file())
        if files:
            return files
    raise FileNotFoundError(f"the hub holds no files of {profile.name}: mount the model's folder at {HUB}")


def workspace(engine: Engine, profile: Profile) -> Path:
    """A folder of links in the cache, new at each start, as NIM 2.x makes it: the cache must be writable."""
    files = sorted(path for path in snapshot(profile).glob("*") if path.is_file())
    if not files:
        raise FileNotFoundError(f"{snapshot(profile)} holds no files of {profile.name}: run download-to-cache first")
    parent = cache_path() / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="nim_", dir=parent))
    for file in files:
        (place / file.name).symlink_to(file)
    return next(place.glob("*.gguf")) if engine.single_file else place


def remove_workspace(place: Path) -> None:
    """The folder of links, whether the engine was given it or the file in it."""
    shutil.rmtree(place if place.is_dir() else place.parent, ignore_errors=True)

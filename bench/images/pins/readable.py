"""Reads a file that someone else wrote: bounded, as text, or with a reason why not."""

from __future__ import annotations

import stat
from pathlib import Path

from bench.anatomy import PinFinding
from bench.images.pins.grade import found
from bench.vocabulary import PinRule

LARGEST_BYTES = 32 << 20  # a lock of a few thousand packages has some megabytes


def is_file(path: Path) -> bool:
    """Whether a file lies there; a name that no file system takes, or a link to itself, is none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_bounded(path: Path) -> str:
    """The text; OSError or ValueError, with the reason, where it cannot be read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > LARGEST_BYTES:
        raise ValueError(f"it has {status.st_size:,} bytes; a list of packages has at most {LARGEST_BYTES:,}")
    try:
        return path.read_bytes()[:LARGEST_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8 (offset {error.start})") from error


def unreadable(file: str, error: Exception, line: int = 1) -> PinFinding:
    """Nothing is known of such a file, so it costs as much as one that pins nothing."""
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return found(PinRule.UNREADABLE, file, line, f"cannot be read: {reason}", "put the file right")

"""Files that survive: whole or absent, on the disk when the call returns, and one clear error when it is full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import LimitError
from bench.store import layout

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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


def write_parquet(path: Path, table: pa.Table) -> None:
    """A table, durable when this returns."""
    _write_file(path, lambda file: pq.write_table(table, file, compression="zstd"))


def write_bytes(path: Path, data: bytes) -> None:
    """Bytes, durable when this returns."""
    _write_file(path, lambda file: file.write(data))


def _write_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    with path.open("wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())


def replace_text(path: Path, text: str) -> None:
    """Atomic: a reader sees the old text or the new one."""
    growing = layout.partial(path)
    try:
        write_bytes(growing, text.encode())
        growing.replace(path)
    except OSError:
        growing.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Where made things are kept on this host: environments, models, wheels; one maker at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """$NIMBENCH_CACHE, else ~/.cache/nimbench."""
    chosen = os.environ.get("NIMBENCH_CACHE")
    return Path(chosen).absolute() if chosen else Path.home() / ".cache" / "nimbench"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone on this host, also against other runs; the kernel frees it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

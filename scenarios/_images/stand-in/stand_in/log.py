"""Log lines at the level of NIM_LOG_LEVEL. The default is WARNING, as in NIM 2.x: a start-up says nearly nothing."""

from __future__ import annotations

import os
import sys
import time

LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def level() -> str:
    """The level that is in force; a word that is none of them counts as the default."""
    chosen = os.environ.get("NIM_LOG_LEVEL", "WARNING").upper()
    return chosen if chosen in LEVELS else "WARNING"


def shows(name: str) -> bool:
    """Whether lines of this level appear."""
    return LEVELS.index(name) >= LEVELS.index(level())


def log(name: str, text: str) -> None:
    """One line in the manner of the engine beside it."""
    if shows(name):
        now = time.time()
        clock = time.strftime("%m-%d %H:%M:%S", time.gmtime(now))
        say(f"{name} {clock}.{int(now % 1 * 1000):03d} stand_in] {text}")


def say(text: str) -> None:
    """A line that no level hides."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

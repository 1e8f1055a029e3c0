"""Which process created a thing, and whether it still lives: two runs on one host leave each other alone."""

from __future__ import annotations

import os
from pathlib import Path

START_TIME_FIELD = 22 - 3  # of /proc/PID/stat, counted from behind the name's closing parenthesis


def creator() -> str:
    """The value of the label PID for what this process creates."""
    pid = os.getpid()
    return f"{pid} {start_ticks(pid) or 0}"


def creator_lives(label: str | None) -> bool:
    """Whether that very process runs: a number that was given to another process since then does not count."""
    words = (label or "").split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return False
    return start_ticks(int(words[0])) == int(words[1])


def start_ticks(pid: int) -> int | None:
    """When it started, in the kernel's ticks since boot; None when there is no such process, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[START_TIME_FIELD])

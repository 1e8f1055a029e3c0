"""Reads back a server.log: lines "<seconds since t0> <command name> <text>"."""

from __future__ import annotations

from pathlib import Path

TAIL_BYTES = 65536
LINE_CHARACTERS = 300


def read_tail(path: Path, lines: int) -> tuple[str, ...]:
    """The last lines, each bounded in length; blank ones left out."""
    if not path.exists():
        return ()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    kept = [
        line[:LINE_CHARACTERS] for line in text.splitlines() if len(line.split(" ", 2)) == 3 and line.split(" ", 2)[2]
    ]
    return tuple(kept[-lines:])


def read_text(path: Path) -> str:
    """All log texts without times and names, as an engine's patterns expect them."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2)

"""What all engines share in reading logs and documents. Text from a server is hostile: parsed or dropped, never run."""

from __future__ import annotations

import json
import re
from typing import Any

from bench.engines.base import FailurePattern, LogPattern
from bench.vocabulary import FailureKind

COMMON_FAILURES: tuple[FailurePattern, ...] = (
    FailurePattern(
        FailureKind.HOST_MEMORY_KILL,
        re.compile(r"MemoryError|std::bad_alloc|Cannot allocate memory|can't allocate memory"),
        "Free host memory, or lower what the arm asks for.",
    ),
    FailurePattern(
        FailureKind.PORT_TAKEN,
        re.compile(r"[Aa]ddress already in use"),
        "End the program that holds the port (`ss -ltnp` names it), or plan again with other ports.",
    ),
    FailurePattern(
        FailureKind.CACHE_PERMISSION,
        re.compile(r"PermissionError: .*|Permission denied.*"),
        "Give the user that runs the arm the right to write there (a cache with the wrong owner is the usual cause).",
    ),
)


def parsed(text: str | None) -> dict[str, Any]:
    """A JSON object, or {} for anything else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def log_facts(patterns: tuple[LogPattern, ...], log: str | None) -> dict[str, str]:
    """The named groups of every pattern, at its first match."""
    facts: dict[str, str] = {}
    for pattern in patterns if log else ():
        match = pattern.pattern.search(log or "")
        for name, value in (match.groupdict() if match else {}).items():
            if value is not None:
                facts.setdefault(name, value)
    return facts

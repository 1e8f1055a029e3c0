"""hadolint's findings, where that program is installed; it is called, never imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.anatomy import PinFinding

WAIT_S = 60
# Package managers of which we read no version: a finding there costs as ours of a distribution's packages.
PINS_OF_OTHERS = {
    "DL3028": "gem",
    "DL3062": "go",
}
REPAIR = "https://github.com/hadolint/hadolint/wiki/{code}"


def find_hadolint() -> str | None:
    """The program on PATH, or beside the Python that runs us."""
    beside = Path(sys.executable).with_name("hadolint")
    return shutil.which("hadolint") or (str(beside) if beside.is_file() else None)


def version_of(program: str) -> str | None:
    """As it names itself; None where it does not start."""
    try:
        done = _call([program, "--version"])
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().removeprefix("Haskell Dockerfile Linter ")[:80] or None


def hadolint_findings(program: str, path: Path, file: str) -> list[PinFinding]:
    """Of one Dockerfile; empty where the program cannot read it: our own rules have told that."""
    try:
        done = _call([program, "--no-fail", "--format", "json", str(path)])
        rows = json.loads(done.stdout or "[]")
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return [_finding(row, file) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _call(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL)


def _finding(row: dict[str, Any], file: str) -> PinFinding:
    code, line = str(row.get("code", ""))[:20], row.get("line")
    return PinFinding(
        rule=code,
        file=file,
        line=line if isinstance(line, int) and line > 0 else 1,
        text=str(row.get("message", ""))[:400],
        repair=REPAIR.format(code=code),
        weight=int(code in PINS_OF_OTHERS),
    )

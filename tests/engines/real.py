"""Recorded files of real engines; a test that wants one is skipped visibly where they are not here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("NIMBENCH_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "real"


def real(name: str) -> str:
    """The text of one of them."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {name}: the recorded files of real engines are not here (NIMBENCH_SHARED)")
    return path.read_text(errors="replace")

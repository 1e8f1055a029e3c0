"""The stand-in's own package, which lives in its image's build context and in nobody's import path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "scenarios" / "_images" / "stand-in"


def stand_in(module: str) -> ModuleType:
    """One module of it."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(f"stand_in.{module}")

"""Which file is which kind of list of packages, and what is not pinned in it.

A requirements.in beside the lock made from it is what it should be, as is a pyproject.toml beside its lock; given
alone, each is read for what it leaves open. A file that cannot be read is one finding, never an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.anatomy import PinFinding
from bench.images.pins.conda_env import lint_environment
from bench.images.pins.locks import lint_lock
from bench.images.pins.pyproject import LOCKS, lint_pyproject
from bench.images.pins.readable import read_bounded, unreadable
from bench.images.pins.requirements_file import Allowed, lint_requirements

_REQUIREMENTS = re.compile(r"(.*[._-])?(requirements|constraints?|explicit)([._-].*)?\.(txt|in|lock|pip)|.*\.explicit")
_FOLDER = re.compile(r"requirements|constraints")  # requirements/base.txt
_ENVIRONMENT = re.compile(r"(.*[._-])?(environment|conda|env)([._-].*)?\.ya?ml")
_LOCK = re.compile(r"uv\.lock|poetry\.lock|pdm\.lock|pylock(\.[^.]+)?\.toml|Pipfile\.lock")


def is_python_file(path: Path) -> bool:
    """Whether a file of this name is one that `lint_python_file` reads."""
    name = path.name
    return name == "pyproject.toml" or any(
        (_LOCK.fullmatch(name), _is_requirements(path), _ENVIRONMENT.fullmatch(name.lower()))
    )


def lint_python_file(path: Path, file: str | None = None, *, allowed: Allowed | None = None) -> list[PinFinding]:
    """What is not pinned, by line. `file` is how findings call it; a name of no known kind is a requirements file.

    `allowed` says which other lists may be opened because this one names them.
    """
    file = file or str(path)
    try:
        return _lint(path, file, allowed)
    except (OSError, ValueError, RecursionError) as error:  # TOML's and JSON's errors are ValueErrors
        return [unreadable(file, error)]


def _lint(path: Path, file: str, allowed: Allowed | None) -> list[PinFinding]:
    name = path.name
    if name == "pyproject.toml":
        locked = any((path.parent / lock).is_file() for lock in LOCKS)
        return lint_pyproject(read_bounded(path), file, locked=locked)
    if _LOCK.fullmatch(name):
        return lint_lock(read_bounded(path), name, file)
    if path.suffix in (".yml", ".yaml"):
        return lint_environment(path, file, allowed)
    if path.suffix == ".in" and _is_locked(path):
        return []
    return lint_requirements(path, file, allowed=allowed)


def _is_requirements(path: Path) -> bool:
    in_folder = path.suffix in (".txt", ".in", ".lock") and bool(_FOLDER.fullmatch(path.parent.name))
    return in_folder or bool(_REQUIREMENTS.fullmatch(path.name.lower()))


def _is_locked(path: Path) -> bool:
    """Whether the list that a tool made from this one lies beside it."""
    return any(path.with_suffix(suffix).is_file() for suffix in (".txt", ".lock"))

"""Lays what llama.cpp's server needs into an empty folder: Python, its standard library, the engine, shared objects."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PYTHON = Path("/usr/bin/python3")
ENGINE = Path("/opt/engine")
# Of the standard library: what no server imports.
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "config-*", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "tkinter", "turtledemo", "unittest", "venv", "*.dist-info",
)  # fmt: skip
# Compiled modules that bring a library of their own: databases, terminals, Kerberos.
BIG_MODULES = ("_sqlite3", "_dbm", "_gdbm", "_curses", "_curses_panel", "nis", "readline", "_tkinter", "ossaudiodev")


def gather(root: Path) -> None:
    """Fill `root`."""
    (root / "tmp").mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "lib64").symlink_to("usr/lib64")
    (root / "lib").symlink_to("usr/lib")
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, inside(root, library), ignore=LEFT_OUT)
    for name in BIG_MODULES:
        for found in inside(root, library / "lib-dynload").glob(f"{name}.*"):
            found.unlink()
    shutil.copytree(ENGINE, inside(root, ENGINE), ignore=LEFT_OUT)
    copy(root, PYTHON)
    binaries = [inside(root, PYTHON), *root.rglob("*.so")]
    for needed in sorted({needed for binary in binaries for needed in shared_objects(binary)}):
        copy(root, needed)
    subprocess.run(["strip", "--strip-unneeded", *map(str, [*binaries, *root.rglob("*.so.*")])], check=True)


def shared_objects(binary: Path) -> list[Path]:
    """All that the loader will look for, by the path at which it looks."""
    said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
    if "not found" in said:
        sys.exit(f"{binary} lacks a library:\n{said}")
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", said)]


def copy(root: Path, path: Path) -> None:
    """The file itself under the name by which it is asked for."""
    target = inside(root, path.parent.resolve() / path.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path.resolve(), target)


def inside(root: Path, path: Path) -> Path:
    """The same place below `root`."""
    return root / path.relative_to("/")


if __name__ == "__main__":
    gather(Path(sys.argv[1]))

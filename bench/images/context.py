"""What a build reads: a copy of its folder, with the wheels and the files of other folders that it names.

A Dockerfile sees only its own folder. Two things may be laid beside it:

    wheelhouse/      the wheels of `build.wheelhouse`, or the folder's own: that is the way onto a host without network
    context.files    a text file in the folder; each line names a file there, then its place relative to the folder:
                         llamacpp_server.py  ../../../bench/runtimes/llamacpp_server.py
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.cache import cache_folder, locked
from bench.container import Build
from bench.errors import InputError

MANIFEST = "context.files"
WHEELHOUSE = "wheelhouse"
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A context that is ready to be read."""

    folder: Path
    dockerfile: Path
    dockerfile_sha256: str
    bytes: int  # of all files, before a .dockerignore
    wheelhouse_files: int | None
    wheelhouse_bytes: int | None


@contextmanager
def staged(build: Build, wheels: Path | None, tag: str) -> Iterator[Staged]:
    """The copy. It is kept when the build fails, so that the command in the error can be pasted."""
    # One place per image: BuildKit knows a folder by its path, and sends only what changed in it.
    folder = cache_folder() / "contexts" / hashlib.sha256(tag.encode()).hexdigest()[:16]
    # One build at a time: two would share the processors, and BuildKit may bring the whole engine down when builds with
    # and without the cache meet in a step (moby/buildkit#2303; engine 20.10.24 did here).
    with locked(folder.parent / "one-build.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        lay_out(build, wheels, folder)
        yield describe(folder, build.dockerfile)
        shutil.rmtree(folder)


def lay_out(build: Build, wheels: Path | None, folder: Path) -> None:
    """Fill a new folder."""
    source = Path(build.context)
    if not (source / build.dockerfile).is_file():
        raise InputError(
            "there is no Dockerfile to build", where=str(source / build.dockerfile), repair="correct build.context"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, folder, symlinks=True, ignore=LEFT_OUT)
    if (source / MANIFEST).is_file():
        for name, place in named_files(source / MANIFEST):
            copy(place, folder / name)
    if wheels is not None and not (source / WHEELHOUSE).exists():
        shutil.copytree(wheels, folder / WHEELHOUSE, copy_function=link_or_copy)


def named_files(manifest: Path) -> Iterator[tuple[str, Path]]:
    """(name in the context, file or folder of this host) of every line."""
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        name, place = words[0], manifest.parent / words[-1].strip()
        inner = PurePosixPath(name)
        if len(words) != 2 or inner.is_absolute() or ".." in inner.parts or not place.exists():
            raise InputError(
                "a line names no file",
                where=f"{manifest}:{number}",
                expected="a name inside the context, blanks, and an existing file relative to this folder",
                got=line.strip(),
            )
        yield name, place


def copy(place: Path, target: Path) -> None:
    """A file or a whole folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        shutil.copytree(place, target, symlinks=True, ignore=LEFT_OUT)
    else:
        shutil.copy2(place, target)


def link_or_copy(source: str, target: str) -> None:
    """A second name for the same bytes where the file system has it: wheels take gigabytes."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def describe(folder: Path, dockerfile: str) -> Staged:
    """Sizes and the Dockerfile's hash."""
    path = folder / dockerfile
    wheels = sizes(folder / WHEELHOUSE) if (folder / WHEELHOUSE).is_dir() else None
    return Staged(
        folder=folder,
        dockerfile=path,
        dockerfile_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=sum(sizes(folder)),
        wheelhouse_files=None if wheels is None else len(wheels),
        wheelhouse_bytes=None if wheels is None else sum(wheels),
    )


def sizes(folder: Path) -> list[int]:
    """Of every file below."""
    return [path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def argument(build: Build, name: str) -> str | None:
    """A build argument: what the scenario says, else the default in the Dockerfile, else None."""
    path = Path(build.context, build.dockerfile)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    default = re.search(rf"""^[ \t]*(?i:ARG)[ \t]+{re.escape(name)}=["']?([^\s"']+)""", text, re.MULTILINE)
    return build.args.get(name) or (default[1] if default else None)

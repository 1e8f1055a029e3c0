"""The folder that a build is given: which file of it lies behind a path inside the image.

Nothing outside is read: a link that leads out of the folder is refused, as Docker refuses it, so that no finding can
show what is not a part of the build. Files that the user named beside the Dockerfile are the user's own choice.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from bench.images.pins.readable import is_file, is_folder
from bench.images.pins.stages import Step
from bench.images.pins.variables import fill

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
MOST_MATCHES = 100  # of one pattern in a COPY
URLS = ("http://", "https://", "ftp://", "git@", "git://")


class LeavesContext(ValueError):
    """A path that ends outside the folder."""


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, ends in the folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))  # Path.resolve fails at a loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What a COPY, an ADD or a mount lays from the folder into the image."""

    inside: str  # absolute path in the image
    source: str  # relative to the folder


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """One folder, and the files that are read anyway."""

    folder: Path
    named: Sequence[Path] = ()

    def file(self, name: str, inside: str = "", laid: Sequence[Laid] = ()) -> Path | None:
        """The file behind a path inside the image: where a COPY or a mount lays it.

        Where none tells, it is the longest end of the path that lies in the folder: `COPY --from=` and the like put a
        file elsewhere, and its end stays. Last comes the name among the files that are read anyway.
        """
        for one in reversed(laid):
            below = posixpath.relpath(inside or "/", one.inside)
            path = self.folder / one.source / ("" if below == "." else below)
            if not below.startswith("..") and is_file(path):
                return self.checked(path)
        parts = _parts(name)
        for start in range(len(parts)):
            path = self.folder.joinpath(*parts[start:])
            if is_file(path):
                return self.checked(path)
        return next((path for path in self.named if parts and path.name == parts[-1]), None)

    def project(self, inside: str, laid: Sequence[Laid], wanted: Sequence[str], *, root: bool) -> Path | None:
        """The folder behind a folder inside the image that holds one of the `wanted` files.

        `root`: the whole context may be meant where no COPY says what lies there.
        """
        for one in reversed(laid):
            source = self.folder / one.source
            below = posixpath.relpath(inside, one.inside)
            if is_folder(source) and not below.startswith(".."):
                folder = source / below
            elif is_file(source) and posixpath.dirname(one.inside) == inside:
                folder = source.parent
            else:
                continue
            if any(is_file(folder / name) for name in wanted):
                return self.checked(folder)
        parts = _parts(inside)
        ends = [self.folder.joinpath(*parts[start:]) for start in range(len(parts))]
        told = any(one.source == "." or posixpath.basename(one.source) in wanted for one in laid)
        folders = [*ends, *([self.folder] if root and not told else [])]
        found = next((folder for folder in folders if any(is_file(folder / name) for name in wanted)), None)
        return None if found is None else self.checked(found)

    def laid(self, step: Step) -> list[Laid]:
        """What one instruction brings from the folder."""
        run = step.instruction
        if run.word == "RUN":
            return [one for name, value in run.flags if name == "mount" for one in _mounted(value, step)]
        if run.word not in ("COPY", "ADD") or run.flag("from") is not None:
            return []
        words = [fill(word, step.known) for word in run.json or tuple(run.args.text.split())]
        target = words[-1] if words else ""
        into = target.endswith("/") or target in (".", "..") or len(words) > 2
        out = []
        for word in words[:-1]:
            if word.startswith(URLS) or word.startswith("<<"):
                continue
            for source in self._matching(word):
                named = into and is_file(self.folder / source)
                name = posixpath.join(target, posixpath.basename(source)) if named else target
                out.append(Laid(inside=absolute(step.workdir, name), source=source))
        return out

    def checked(self, path: Path) -> Path:
        """The same path; LeavesContext where it ends outside."""
        if not is_inside(path, self.folder):
            raise LeavesContext("a link leads out of the build context")
        return path

    def _matching(self, word: str) -> list[str]:
        source = posixpath.normpath("/" + word).lstrip("/") or "."
        if not any(sign in source for sign in "*?["):
            return [source]
        parent, name = posixpath.split(source)
        try:
            listed = [one.name for one in (self.folder / parent).iterdir()]
        except (OSError, ValueError):  # a pattern in a folder's name, or no such folder
            return []
        return [posixpath.join(parent, one) for one in sorted(listed) if fnmatchcase(one, name)][:MOST_MATCHES]


def absolute(cwd: str, path: str) -> str:
    """A path inside the image; what stands in a variable stays as it is written."""
    return posixpath.normpath(posixpath.join("/", cwd, path))


def _mounted(value: str, step: Step) -> list[Laid]:
    options = dict(option.partition("=")[::2] for option in value.split(","))
    target = options.get("target") or options.get("dst") or options.get("destination")
    if options.get("type", "bind") != "bind" or "from" in options or not target:
        return []
    source = options.get("source") or options.get("src") or "."
    return [Laid(inside=absolute(step.workdir, target), source=posixpath.normpath("/" + source).lstrip("/") or ".")]


def _parts(name: str) -> list[str]:
    """None of a path that only a variable knows, or that climbs out."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    return [] if "$" in name or ".." in parts else parts

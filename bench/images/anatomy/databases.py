"""Reads the databases of package managers: dpkg, apk, conda. Pure: bytes go in, packages and their files come out.

What is broken is left out and told; a database comes from an image and may say anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

DPKG = "var/lib/dpkg"
APK = "lib/apk/db/installed"
NAME_CHARACTERS = 200
INSTALLED = ("ok installed", "ok unpacked", "ok half-configured")  # states of dpkg in which the files are there


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One package, and the files that it says are its own."""

    manager: str
    name: str
    version: str
    files: tuple[str, ...] = ()  # as written: with links among the folders


@dataclass(slots=True)
class Claims:
    """What was read, and what could not be."""

    claims: list[Claim] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def read_databases(kept: Mapping[str, bytes]) -> Claims:
    """Every package that an operating system's or conda's own records name."""
    found = Claims()
    found.claims += _dpkg(kept)
    if APK in kept:
        found.claims += _apk(_text(kept[APK]))
    for path in sorted(kept):
        folder, _, name = path.rpartition("/")
        if name.endswith(".json") and folder.rpartition("/")[2] == "conda-meta":
            claim = _conda(path, kept[path])
            if claim is None:
                found.doubts.append(f"{path[:NAME_CHARACTERS]} is no record of a conda package")
            else:
                found.claims.append(claim)
    return found


def _dpkg(kept: Mapping[str, bytes]) -> Iterator[Claim]:
    """The status of dpkg, or a file per package, as images without dpkg have it; lists of files lie beside them."""
    texts = [_text(kept[path]) for path in sorted(kept) if _is_status(path)]
    lists = _dpkg_files(kept)
    diverted = _diversions(_text(kept.get(f"{DPKG}/diversions", b"")))
    for text in texts:
        for fields in _paragraphs(text):
            name, version = fields.get("package", ""), fields.get("version", "")
            state = fields.get("status")
            if not name or not version or (state is not None and not state.endswith(INSTALLED)):
                continue
            paths = lists.get(f"{name}:{fields.get('architecture', '')}") or lists.get(name, [])
            files = tuple(_moved(path, name, diverted) for path in paths)
            yield Claim(manager="deb", name=name, version=version, files=files)


def _is_status(path: str) -> bool:
    if path == f"{DPKG}/status":
        return True
    return path.startswith(f"{DPKG}/status.d/") and not path.endswith(".md5sums")


def _dpkg_files(kept: Mapping[str, bytes]) -> dict[str, list[str]]:
    """`name` or `name:architecture` -> the files. A list has all of them, checksums leave out links and settings."""
    lists: dict[str, list[str]] = {}
    for path, content in kept.items():
        folder, _, name = path.rpartition("/")
        if folder not in (f"{DPKG}/info", f"{DPKG}/status.d"):
            continue
        package, _, kind = name.rpartition(".")
        if kind == "list":
            lists[package] = [line for line in _text(content).splitlines() if line]
        elif kind == "md5sums" and f"{folder}/{package}.list" not in kept:
            lists[package] = [line.partition("  ")[2] for line in _text(content).splitlines() if "  " in line]
    return lists


def _diversions(text: str) -> dict[str, tuple[str, str]]:
    """Path -> (where it was put aside to, for whose sake). Three lines each."""
    lines = text.splitlines()
    return {lines[i]: (lines[i + 1], lines[i + 2]) for i in range(0, len(lines) - 2, 3)}


def _moved(path: str, package: str, diverted: Mapping[str, tuple[str, str]]) -> str:
    aside, by = diverted.get(path, (path, package))
    return path if by == package else aside


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """First lines of the fields; what follows indented is description and lists of configuration files."""
    for part in text.split("\n\n"):
        fields = {}
        for line in part.splitlines():
            name, colon, value = line.partition(":")
            if colon and not line[0].isspace():
                fields[name.lower()] = value.strip()[:NAME_CHARACTERS]
        if fields:
            yield fields


def _apk(text: str) -> Iterator[Claim]:
    """P package, V version, F folder, R file in the folder named before."""
    for part in text.split("\n\n"):
        name = version = folder = ""
        files = []
        for line in part.splitlines():
            key, _, value = line.partition(":")
            if key == "P":
                name = value[:NAME_CHARACTERS]
            elif key == "V":
                version = value[:NAME_CHARACTERS]
            elif key == "F":
                folder = value
            elif key == "R":
                files.append(f"{folder}/{value}")
        if name and version:
            yield Claim(manager="apk", name=name, version=version, files=tuple(files))


def _conda(path: str, content: bytes) -> Claim | None:
    """One file per package, with paths below the environment that holds conda-meta."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    name, version, files = record.get("name"), record.get("version"), record.get("files")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    home = path.rpartition("conda-meta/")[0]
    below = [home + one for one in files if isinstance(one, str)] if isinstance(files, list) else []
    return Claim(
        manager="conda",
        name=name[:NAME_CHARACTERS],
        version=version[:NAME_CHARACTERS],
        files=(*below, path),
    )


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")

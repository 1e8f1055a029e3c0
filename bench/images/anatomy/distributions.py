"""Reads the Python distributions of an image: `*.dist-info` and `*.egg-info` with what they say of themselves."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from bench.images.anatomy.databases import NAME_CHARACTERS
from bench.images.anatomy.entries import EntryKind, Visible

_FOLDERS = (".dist-info", ".egg-info")
_BESIDE = ("RECORD", "installed-files.txt", "top_level.txt", "direct_url.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One `pip install`ed thing."""

    name: str
    version: str
    site: str  # the folder that it lies in, which is on Python's path or is not
    metadata: str  # path of the file that says so
    requires: tuple[str, ...] = ()  # Requires-Dist, as written
    files: tuple[str, ...] = ()  # from RECORD or installed-files.txt, below the image's root
    tops: tuple[str, ...] = ()  # modules by name, where no list of files is there
    source: str | None = None  # from direct_url.json: a repository with its commit, or an address


def read_distributions(visible: Visible) -> list[Distribution]:
    """All of them, in the order of their paths; also those that another package carries inside itself."""
    found = []
    for path in sorted(visible.files):
        folder, _, name = path.rpartition("/")
        if folder.endswith(_FOLDERS) and name in ("METADATA", "PKG-INFO"):
            found.append(_read(path, folder, visible))
        elif name.endswith(".egg-info"):
            found.append(_read(path, None, visible))  # the old single file
    return [one for one in found if one is not None]


def content_of(path: str, visible: Visible) -> bytes | None:
    """Of a kept file, also through a hard link: uv and conda lay out environments with them."""
    entry = visible.files.get(path)
    if entry is not None and entry.kind is EntryKind.HARDLINK and path not in visible.kept:
        return visible.kept.get(entry.link)
    return visible.kept.get(path)


def _read(path: str, folder: str | None, visible: Visible) -> Distribution | None:
    content = content_of(path, visible)
    headers = HeaderParser().parsestr((content or b"").decode("utf-8", errors="replace"), headersonly=True)
    site, _, stem = (folder or path).rpartition("/")
    stem_name, _, stem_version = stem.rpartition(".")[0].partition("-")
    name = _one(headers["Name"]) or stem_name
    version = _one(headers["Version"]) or stem_version.partition("-py")[0]
    if not name or not version:
        return None
    beside = {file: content_of(f"{folder}/{file}", visible) for file in _BESIDE} if folder else {}
    return Distribution(
        name=name,
        version=version,
        site=site,
        metadata=path,
        requires=tuple(" ".join(str(one).split()) for one in headers.get_all("Requires-Dist") or ()),
        files=tuple(_files(site, folder or "", beside)),
        tops=tuple(_lines(beside.get("top_level.txt"))),
        source=_source(beside.get("direct_url.json")),
    )


def _one(header: object) -> str:
    return " ".join(str(header or "").split())[:NAME_CHARACTERS]


def _lines(content: bytes | None) -> list[str]:
    return [line.strip() for line in (content or b"").decode("utf-8", errors="replace").splitlines() if line.strip()]


def _files(site: str, folder: str, beside: Mapping[str, bytes | None]) -> Iterator[str]:
    """RECORD is relative to the site folder, installed-files.txt to the folder of the metadata."""
    if (record := beside.get("RECORD")) is not None:
        yield from (_below(site, path) for path in _recorded(_lines(record)))
    elif (files := beside.get("installed-files.txt")) is not None:
        yield from (_below(folder, path) for path in _lines(files))


def _recorded(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith('"'):
            yield line.split(",", 1)[0]  # quotes are needed for commas only, and hardly any path has one
            continue
        try:
            yield from (row[0] for row in csv.reader([line], strict=True) if row)
        except csv.Error:
            continue  # a line that no writer of RECORDs writes names no file


def _below(folder: str, path: str) -> str:
    return path if path.startswith("/") else f"{folder}/{path}"


def _source(content: bytes | None) -> str | None:
    """Where it was installed from, if not from an index. Whoever logs in with an address stays unnamed."""
    try:
        said = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    url = said.get("url") if isinstance(said, dict) else None
    if not isinstance(url, str):
        return None
    url = re.sub(r"//[^/@]*@", "//", url)[:NAME_CHARACTERS]
    vcs = said.get("vcs_info")
    if isinstance(vcs, dict) and isinstance(vcs.get("commit_id"), str):
        return f"{str(vcs.get('vcs') or 'vcs')[:20]}+{url}@{vcs['commit_id'][:64]}"
    return url

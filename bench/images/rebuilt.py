"""Reads a saved image into a fingerprint of each file, as it streams: nothing is unpacked, no content is kept.

Of a layer stay its paths with a SHA-256, mode, owner and time, about 300 bytes a file, and the databases of dpkg and
apk, which say what is installed. Reads what engines up to 24 save (a folder for each layer) and what later ones do
(blobs by digest); both name their layers in manifest.json, wherever in the stream it comes.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

CHUNK_BYTES = 1 << 20
JSON_BYTES = 16 << 20
DATABASES = ("var/lib/dpkg/status", "lib/apk/db/installed")
DATABASE_BYTES = 64 << 20
_DIST_INFO = re.compile(r"(?:.*/)?(?P<name>[^/]+)-(?P<version>[^/-]+)\.(dist-info/METADATA|egg-info(/PKG-INFO)?)")
_CONDA_META = re.compile(r"(?:.*/)?conda-meta/(?P<name>[^/]+)-(?P<version>[^/-]+)-[^/-]+\.json")
_DPKG = re.compile(r"^Package: (?P<name>\S+)$.*?^Version: (?P<version>\S+)$", re.MULTILINE | re.DOTALL)
_APK = re.compile(r"^P:(?P<name>\S+)$.*?^V:(?P<version>\S+)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Print:
    """What one member of a layer is."""

    kind: bytes
    sha256: str  # of a regular file's content, else ""
    mode: int
    owner: tuple[int, int]
    link: str
    size_bytes: int
    modified_s: float


@dataclass(slots=True)
class SavedLayer:
    """One layer of a saved image."""

    files: dict[str, Print] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)

    def packages(self) -> set[tuple[str, str]]:
        """(name, version) of what this layer's own records say is installed."""
        found = {
            (match["name"].lower(), match["version"])
            for path in self.files
            if (match := _DIST_INFO.fullmatch(path) or _CONDA_META.fullmatch(path))
        }
        for path, text in self.databases.items():
            pattern = _APK if path.endswith("installed") else _DPKG
            for paragraph in text.split("\n\n"):
                if match := pattern.search(paragraph):
                    found.add((match["name"], match["version"]))
        return found


def read_saved(chunks: Iterable[bytes]) -> list[SavedLayer]:
    """The layers of `docker save`, from the base up; ValueError where the stream is none."""
    layers: dict[str, SavedLayer] = {}
    links: dict[str, str] = {}
    manifest: Any = None
    try:
        with tarfile.open(fileobj=_Pulled(chunks), mode="r|") as saved:
            for member in saved:
                if member.issym():
                    links[member.name] = posixpath.normpath(f"{posixpath.dirname(member.name)}/{member.linkname}")
                elif member.name == "manifest.json" and member.size <= JSON_BYTES:
                    manifest = json.loads(_stream(saved, member).read())
                elif member.isreg() and _may_be_layer(member.name):
                    layer = _read_layer(_stream(saved, member), is_blob=member.name.startswith("blobs/"))
                    if layer is not None:
                        layers[member.name] = layer
        names = list(manifest[0]["Layers"])
        return [layers[links.get(name, name)] for name in names]
    except (tarfile.TarError, EOFError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise ValueError(f"the engine's copy of the image cannot be read: {error}") from error


def changed_packages(first: Iterable[SavedLayer], second: Iterable[SavedLayer]) -> tuple[str, ...]:
    """`name: version → version` for what only one of two images has; "none" stands for a package that lacks."""
    one: set[tuple[str, str]] = set().union(*(layer.packages() for layer in first))
    other: set[tuple[str, str]] = set().union(*(layer.packages() for layer in second))
    before, after = _versions(one - other), _versions(other - one)
    names = sorted(before.keys() | after.keys())
    return tuple(f"{name}: {before.get(name, 'none')} → {after.get(name, 'none')}" for name in names)


def _versions(found: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    versions: dict[str, list[str]] = {}
    for name, version in sorted(found):
        versions.setdefault(name, []).append(version)
    return {name: ", ".join(all_of) for name, all_of in versions.items()}


def _may_be_layer(name: str) -> bool:
    return name.endswith("/layer.tar") or name.startswith("blobs/")


def _read_layer(stream: IO[bytes], *, is_blob: bool) -> SavedLayer | None:
    """None for a blob that is no layer: the manifest or the image's configuration."""
    layer = SavedLayer()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                path = posixpath.normpath(member.name).lstrip("/")
                layer.files[path] = _print(tar, member, path, layer.databases)
    except tarfile.ReadError:
        if is_blob and not layer.files:
            return None
        raise
    return layer


def _print(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, databases: dict[str, str]) -> Print:
    digest = ""
    if member.isreg():
        hashed, kept = hashlib.sha256(), bytearray()
        stream = _stream(tar, member)
        while chunk := stream.read(CHUNK_BYTES):
            hashed.update(chunk)
            if path in DATABASES and len(kept) < DATABASE_BYTES:
                kept += chunk
        digest = hashed.hexdigest()
        if kept:
            databases[path] = kept.decode("utf-8", "replace")
    owner = (member.uid, member.gid)
    return Print(member.type, digest, member.mode, owner, member.linkname, member.size, float(member.mtime))


def _stream(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    return stream


class _Pulled(io.RawIOBase):
    """Chunks as a stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        """Only forwards."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; what tarfile asks for is a few kilobytes."""
        while size < 0 or len(self._left) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._left += chunk
        taken, self._left = (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        return taken

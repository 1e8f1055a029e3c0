"""What `docker save` streams, read as it comes: which member is which layer is known only when the last one is there.

Engines before 25 write `<id>/layer.tar` and `<config>.json`; newer ones `blobs/sha256/<digest>`, where layers may be
packed. Both end with manifest.json, which names config and layers; members that it does not name are forgotten.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from bench.errors import ArmError
from bench.images.anatomy.compression import estimated, is_packed, unpacked
from bench.images.anatomy.entries import Entry, Interest, LayerContents
from bench.images.anatomy.tar_layer import Budget, read_layer
from bench.images.anatomy.tar_stream import BLOCK, TarStream
from bench.images.manifest import read_object
from bench.vocabulary import FailureKind

JSON_BYTES = 8 << 20
_BLOBS = "blobs/sha256/"
_LINKS = 8  # one link to another layer is what Docker writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One image out of an archive."""

    config: dict[str, Any]
    config_body: bytes = field(repr=False)
    layers: tuple[LayerContents, ...]
    blobs: tuple[tuple[str | None, int], ...]  # (digest where it is packed, bytes on the wire) of each layer
    is_estimate: bool


@dataclass(slots=True)
class _Archive:
    texts: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, LayerContents] = field(default_factory=dict)
    packed: dict[str, int] = field(default_factory=dict)  # path -> bytes of a layer that is packed
    links: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Where links lead; two layers of the same content are one member and a link to it."""
        for _ in range(_LINKS):
            if name not in self.links:
                break
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), self.links[name]))
        return name


def read_saved(chunks: Iterable[bytes], *, where: str, interest: Interest | None = None) -> Saved:
    """The only image of the archive. ArmError where the archive is none, or is cut."""
    try:
        return _image(_read(chunks, interest))
    except (ValueError, LookupError) as error:
        raise ArmError(
            FailureKind.CRASHED,
            f"{where}: the engine's archive of the image cannot be read: {error}",
            repair="`docker save` of the same image says whether the engine can still read its own layers",
        ) from error


def _read(chunks: Iterable[bytes], interest: Interest | None) -> _Archive:
    archive, tar = _Archive(), TarStream(((chunk, 0) for chunk in chunks), is_hashed=False)
    budget = Budget()
    for member in tar.members():
        name = posixpath.normpath(member.path)
        if member.kind == b"2":
            archive.links[name] = member.link
        if member.kind not in (b"0", b"\0") or not member.size_bytes:
            continue
        head, data = _peeked(tar.data())
        if not _is_layer(head):
            if member.size_bytes <= JSON_BYTES:
                archive.texts[name] = b"".join(data)
            continue
        pieces = unpacked(data) if is_packed(head) else estimated(data)
        archive.layers[name] = read_layer(pieces, index=0, interest=interest, budget=budget)
        if is_packed(head):
            archive.packed[name] = member.size_bytes
    tar.drain()
    return archive


def _is_layer(head: bytes) -> bool:
    """By what it begins with: packed, a tar's header, or a tar of nothing (zeros)."""
    return is_packed(head) or head[257:262] == b"ustar" or (len(head) == BLOCK and not head.strip(b"\0"))


def _peeked(data: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first block, and all of it again."""
    first, head = [], b""
    for chunk in data:
        first.append(chunk)
        head += chunk[:BLOCK]
        if len(head) >= BLOCK:
            break
    return head[:BLOCK], chain(first, data)


def _image(archive: _Archive) -> Saved:
    config_name, names = _named(archive)
    body = archive.texts[config_name]
    layers, blobs = [], []
    for index, name in enumerate(names):
        path = archive.path(name)
        if path not in archive.layers:
            raise ValueError(f"the layer {name[:100]} is not in it")
        layers.append(_numbered(archive.layers[path], index))
        packed = archive.packed.get(path)
        digest = f"sha256:{path.removeprefix(_BLOBS)}" if packed is not None and path.startswith(_BLOBS) else None
        blobs.append((digest, packed if packed is not None else layers[-1].wire_bytes or 0))
    return Saved(
        config=read_object(body, "the image's config"),
        config_body=body,
        layers=tuple(layers),
        blobs=tuple(blobs),
        is_estimate=any(archive.path(name) not in archive.packed for name in names),
    )


def _named(archive: _Archive) -> tuple[str, list[str]]:
    """Config and layers of the one image."""
    listed = json.loads(archive.texts.get("manifest.json", b"null"))
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict):
        raise ValueError("its manifest.json does not name one image")
    config, layers = listed[0].get("Config"), listed[0].get("Layers")
    if config not in archive.texts or not isinstance(layers, list) or not all(isinstance(x, str) for x in layers):
        raise ValueError("its manifest.json names no config or no layers")
    return config, layers


def _numbered(layer: LayerContents, index: int) -> LayerContents:
    """The same contents as the layer with this number."""
    return LayerContents(
        index=index,
        diff_id=layer.diff_id,
        tar_bytes=layer.tar_bytes,
        wire_bytes=layer.wire_bytes,
        entries=[Entry(e.path, e.kind, index, e.disk_bytes, e.wire_bytes, e.link, e.mode) for e in layer.entries],
        kept=layer.kept,
        scanned=layer.scanned,
        doubts=layer.doubts,
    )

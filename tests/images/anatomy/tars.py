"""Layers written by hand for tests: good ones through tarfile, hostile ones header by header."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from bench.images.anatomy.compression import unpacked
from bench.images.anatomy.entries import Interest, LayerContents
from bench.images.anatomy.tar_layer import read_layer

END = b"\0" * 1024


def tar(
    files: Mapping[str, bytes] = {},
    *,
    folders: Iterable[str] = (),
    links: Mapping[str, str] = {},
    hard: Mapping[str, str] = {},
    form: int = tarfile.PAX_FORMAT,
) -> bytes:
    """A layer as tools write it: folders, then files, then links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in folders:
            archive.addfile(info(name, tarfile.DIRTYPE))
        for name, data in files.items():
            archive.addfile(info(name, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))
        for name, target in links.items():
            archive.addfile(info(name, tarfile.SYMTYPE, link=target))
        for name, target in hard.items():
            archive.addfile(info(name, tarfile.LNKTYPE, link=target))
    return buffer.getvalue()


def info(name: str, kind: bytes, *, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """A member's header for tarfile."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member


def header(name: bytes, *, kind: bytes = b"0", size: int | bytes = 0, link: bytes = b"", checksum: int = 0) -> bytes:
    """A raw header; `size` as bytes stands there as it is, `checksum` is added to the right one."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124 : 124 + len(field)], block[136:148] = field, b"00000000000\0"
    block[148:156], block[156:157], block[157 : 157 + len(link)] = b" " * 8, kind, link
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % (sum(block) + checksum)
    return bytes(block)


def pax(**records: str) -> bytes:
    """An extended header with its body; keys with dots are written with two underscores."""
    body = b"".join(record(key.replace("__", "."), value) for key, value in records.items())
    return header(b"pax", kind=b"x", size=len(body)) + body + b"\0" * (-len(body) % 512)


def record(key: str, value: str) -> bytes:
    """One line, whose length counts itself."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def layer(
    data: bytes, index: int = 0, interest: Interest | None = None, chunk_bytes: int = 1 << 16, **more: Any
) -> LayerContents:
    """Read as it would come over a network."""
    chunks = (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))
    return read_layer(unpacked(chunks), index=index, interest=interest, **more)


def layers(*tars: bytes) -> list[LayerContents]:
    """From the base up."""
    return [layer(data, index) for index, data in enumerate(tars)]

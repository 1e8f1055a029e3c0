"""The members of a tar as its bytes pass: nothing is held but one header, and every number in it is distrusted.

Python's tarfile reads an extended header whole, whatever size it declares, and follows what a tar says; a layer comes
from anybody. What Docker's own reader does decides here too, for what it would put onto the disk is what counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.images.anatomy.compression import Piece

BLOCK = 512
EXTENSION_BYTES = 1 << 20  # of one extended header: a path has 4096 bytes, an attribute 64 KiB
EXTENSIONS = 16  # extended headers before one member
PADDED = b"\0" * BLOCK

_DATALESS = b"123456"  # links, devices, folders and pipes have no data, whatever size they declare
_EXTENSIONS = b"xgLK"
_SPARSE_MORE = 504  # in a continuation block of an old GNU sparse map: whether another one follows


@dataclass(slots=True)
class Member:
    """One header, with what extended headers say instead."""

    path: str
    kind: bytes  # its type flag: b"0" a file, b"5" a folder …
    size_bytes: int  # of its data in the stream
    mode: int
    link: str
    real_bytes: int | None = None  # of a sparse file, with its holes
    wire_start: int = 0


class TarStream:
    """Reads members and their data in order. ValueError where the tar cannot be followed any further."""

    def __init__(self, pieces: Iterable[Piece], *, is_hashed: bool = True) -> None:
        self._pieces, self._is_hashed = iter(pieces), is_hashed
        self._piece, self._at = b"", 0
        self._wire_before = self._wire_after = 0
        self._left = self._padding = 0
        self._hash = hashlib.sha256()
        self.read_bytes = 0  # of the stream so far, in whole pieces

    def members(self) -> Iterator[Member]:
        """Each one; data that the caller left is skipped."""
        while True:
            self.skip_data()
            wire_start = self.wire_now()
            member = self._member()
            if member is None:
                return
            member.wire_start = wire_start
            yield member

    def data(self) -> Iterator[bytes]:
        """The bytes of the member at hand, as they come; fewer than it declares when the stream ends."""
        while self._left:
            part = self._take(self._left)
            if not part:
                raise ValueError("it ends inside a file")
            self._left -= len(part)
            yield part

    def skip_data(self) -> None:
        """Go to the end of the member at hand."""
        for _ in self._parts(self._left + self._padding):
            pass
        self._left = self._padding = 0

    def wire_now(self) -> int:
        """Compressed bytes up to here: exact at the ends of pieces, in proportion within one."""
        if not self._piece:
            return self._wire_after
        share = self._at / len(self._piece)
        return self._wire_before + round((self._wire_after - self._wire_before) * share)

    def drain(self) -> bool:
        """Reads to the end of the stream; False when more than padding follows."""
        is_padding = True
        while part := self._take(1 << 20):
            is_padding = is_padding and part.count(0) == len(part)
        return is_padding

    def diff_id(self) -> str:
        """The digest of all that was read."""
        return f"sha256:{self._hash.hexdigest()}"

    def _member(self) -> Member | None:
        """The next header with its extensions; None at the end of the archive."""
        extended: dict[str, str] = {}
        for _ in range(EXTENSIONS):
            block = self._exactly(BLOCK, at_start=not extended)
            if block in (b"", PADDED):
                return None
            kind = _checked_kind(block)
            size_bytes = _number(block[124:136])
            if kind not in _EXTENSIONS:
                return self._own(block, kind, size_bytes, extended)
            body = self._extension(size_bytes)
            if kind == b"x":
                extended |= _records(body)
            elif kind in b"LK":
                extended["path" if kind == b"L" else "linkpath"] = _text(body)
        raise ValueError(f"more than {EXTENSIONS} extended headers before one member")

    def _own(self, block: bytes, kind: bytes, size_bytes: int, extended: dict[str, str]) -> Member:
        path = _text(block[:100])
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            path = f"{prefix}/{path}"
        path = extended.get("GNU.sparse.name") or extended.get("path") or path
        real = extended.get("GNU.sparse.realsize") or extended.get("GNU.sparse.size")
        real_bytes = _decimal(real) if real else None
        if kind == b"S":
            real_bytes = _number(block[483:495])
            self._skip_sparse_map(has_more=block[482] != 0)
        if "size" in extended:
            size_bytes = _decimal(extended["size"])
        if kind in b"\0" and path.endswith("/"):
            kind = b"5"  # the form before 1988
        self._left = 0 if kind in _DATALESS else size_bytes
        self._padding = -self._left % BLOCK
        link = extended.get("linkpath") or _text(block[157:257])
        return Member(path, kind, self._left, _number(block[100:108]), link, real_bytes)

    def _extension(self, size_bytes: int) -> bytes:
        """The body of an extended header, bounded before it is read."""
        if size_bytes > EXTENSION_BYTES:
            raise ValueError(f"an extended header of {size_bytes} bytes")
        body = self._exactly(size_bytes + -size_bytes % BLOCK)
        return body[:size_bytes]

    def _skip_sparse_map(self, *, has_more: bool) -> None:
        while has_more:
            has_more = self._exactly(BLOCK)[_SPARSE_MORE] != 0

    def _exactly(self, size: int, *, at_start: bool = False) -> bytes:
        data = b"".join(self._parts(size, is_end_good=at_start))
        if len(data) < size and (data or not at_start):
            raise ValueError("it ends inside a header")
        return data

    def _parts(self, size: int, *, is_end_good: bool = False) -> Iterator[bytes]:
        while size:
            part = self._take(size)
            if not part:
                if is_end_good:
                    return
                raise ValueError("it ends early")
            size -= len(part)
            yield part

    def _take(self, most: int) -> bytes:
        """What the piece at hand has, at most so many bytes; nothing at the end of the stream."""
        while self._at >= len(self._piece):
            following = next(self._pieces, None)
            if following is None:
                return b""
            self._wire_before, (self._piece, self._wire_after) = self._wire_after, following
            self._at = 0
            if self._is_hashed:
                self._hash.update(self._piece)
            self.read_bytes += len(self._piece)
        part = self._piece[self._at : self._at + most]
        self._at += len(part)
        return part


def _checked_kind(block: bytes) -> bytes:
    """The type flag of a header whose checksum holds (unsigned, or signed as some old tars have it)."""
    stated = _number(block[148:156])
    blank = sum(block) - sum(block[148:156]) + 8 * 32
    negative = 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if stated not in (blank, blank - negative):
        raise ValueError("a header whose checksum is wrong")
    return block[156:157]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's binary form for what they cannot hold."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
        if field[0] & 0x40 or value >> 63:
            raise ValueError("a header with a negative or endless number")
        return value
    digits = field.split(b"\0", 1)[0].strip(b" ")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise ValueError(f"a header with {digits[:20]!r} for a number") from None


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise ValueError(f"an extended header with {text[:20]!r} for a size")
    return int(text)


def _records(body: bytes) -> dict[str, str]:
    """Lines of `length key=value`, each length counting all of its line."""
    found: dict[str, str] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 8)
        length = body[at:space] if space > 0 else b""
        if not length.isdigit():
            raise ValueError("an extended header of no known form")
        end = at + int(length)
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end <= space + 1 or end > len(body) or not equals:
            raise ValueError("an extended header of no known form")
        if not key.startswith((b"SCHILY.", b"LIBARCHIVE.", b"MSWINDOWS.")):
            found[key.decode("utf-8", "backslashreplace")] = value.decode("utf-8", "backslashreplace")
        at = end
    return found


def _text(field: bytes) -> str:
    """Up to the first zero byte; what is no UTF-8 stays told apart."""
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")

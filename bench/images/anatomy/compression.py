"""A layer's stream unpacked piece by piece, whatever packs it: gzip, zstd or nothing, told by its first bytes.

Each piece comes with the compressed bytes that were used up to its end, so that every file's share of the wire is
known. Nothing grows with the layer: a piece is bounded, and so is what a small layer may unpack to.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator

import pyarrow as pa

Piece = tuple[bytes, int]  # unpacked bytes, and compressed bytes used up to their end

PIECE_BYTES = 1 << 20
LIMIT_BYTES = 200 * 10**9  # more than any image of this field unpacks to
# gzip cannot pack tighter than 1032 to 1 (deflate's longest match: 258 bytes in two bits); zstd can, without end.
LIMIT_RATIO = 1100
FREE_BYTES = 8 * 10**9  # below this the ratio is nobody's concern: an image may hold a file of zeros
FEED_BYTES = 16 << 10  # of what is packed at a time: so exact is a file's share of the wire
WINDOW_BYTES = 32 << 10  # how far back deflate looks
SAMPLED_BYTES = 256 << 10  # of so many bytes one sample is packed, each at another place
SAMPLE_BYTES = 16 << 10
SAMPLE_OFFSETS = 16

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))


class BombError(ValueError):
    """A stream that unpacks to more than an image may have."""


def is_packed(head: bytes) -> bool:
    """Whether a stream that begins so is gzip or zstd."""
    return head.startswith(_GZIP) or head[:4] in (_ZSTD, *_SKIPPABLE)


def unpacked(chunks: Iterable[bytes], *, limit_bytes: int = LIMIT_BYTES) -> Iterator[Piece]:
    """The tar inside; ValueError (BombError) says what is wrong with the stream, after all good pieces."""
    source = _Source(chunks)
    head = source.peek(4)
    if head.startswith(_GZIP):
        pieces = _gunzip(source)
    elif head in (_ZSTD, *_SKIPPABLE):
        pieces = _unzstd(source)
    else:
        pieces = _plain(source)
    return _bounded(pieces, limit_bytes)


def estimated(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces of a stream that is not packed, with what gzip would make of them, by a sample of each piece."""
    wire = 0.0
    for number, (piece, _) in enumerate(_plain(_Source(chunks), SAMPLED_BYTES)):
        start = max(0, (len(piece) - SAMPLE_BYTES) * (number * 7 % SAMPLE_OFFSETS) // (SAMPLE_OFFSETS - 1))
        sample = piece[start : start + SAMPLE_BYTES]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=piece[max(0, start - WINDOW_BYTES) : start])
        packed = len(packer.compress(sample)) + len(packer.flush(zlib.Z_SYNC_FLUSH))
        wire += len(piece) * packed / len(sample)
        yield piece, int(wire)


def _bounded(pieces: Iterator[Piece], limit_bytes: int) -> Iterator[Piece]:
    total = 0
    for piece, wire_bytes in pieces:
        total += len(piece)
        if total > limit_bytes:
            raise BombError(f"it unpacks to more than {limit_bytes} bytes, and was not read further")
        if total > FREE_BYTES and total > LIMIT_RATIO * wire_bytes:
            raise BombError(f"its first {wire_bytes} bytes unpack to {total}, and it was not read further")
        yield piece, wire_bytes


def _plain(source: _Source, size_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    while piece := source.read(size_bytes):
        yield piece, source.used


def _gunzip(source: _Source) -> Iterator[Piece]:
    """Members one after another are one stream, as gzip's own tools take them; zeros after the last are padding."""
    while source.peek(1):
        if not source.peek(2).startswith(_GZIP):
            _only_zeros(source)
            return
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            packed = source.read_some()
            if not packed:
                raise ValueError("the compressed stream ends early")
            try:
                while packed or member.unconsumed_tail:
                    piece = member.decompress(packed, PIECE_BYTES)
                    packed = member.unconsumed_tail
                    if piece:
                        yield piece, source.used - len(packed) - len(member.unused_data)
                    if member.eof or not piece:
                        break
            except zlib.error as error:
                raise ValueError(f"the compressed stream is broken ({error})") from error
        source.give_back(len(member.unused_data))


def _only_zeros(source: _Source) -> None:
    while rest := source.read_some():
        if rest.count(0) != len(rest):
            raise ValueError("bytes that are no gzip follow the compressed stream")


def _unzstd(source: _Source) -> Iterator[Piece]:
    """Frames one after another, skippable ones among them (estargz and zstd:chunked carry an index in one)."""
    try:
        with pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd") as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece, source.used
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"the compressed stream is broken ({str(error)[:200]})") from error


class _Source(io.RawIOBase):
    """Chunks as a file that knows how much of it was read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._chunk, self._at = b"", 0
        self.used = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay."""
        while len(self._chunk) - self._at < size and (more := next(self._chunks, None)) is not None:
            self._chunk, self._at = self._chunk[self._at :] + more, 0
        return self._chunk[self._at : self._at + size]

    def read(self, size: int = -1) -> bytes:
        """So many bytes; fewer only at the end."""
        parts, wanted = [], size if size >= 0 else PIECE_BYTES
        while wanted and self.peek(1):
            part = self._chunk[self._at : self._at + wanted]
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        data = b"".join(parts)
        self.used += len(data)
        return data

    def read_some(self) -> bytes:
        """What lies ready, at least a byte; nothing at the end."""
        self.peek(1)
        return self.read(min(len(self._chunk) - self._at, FEED_BYTES))

    def give_back(self, size: int) -> None:
        """The end of what was just read belongs to what follows; a stream may have a member every twenty bytes."""
        self._at -= size
        self.used -= size

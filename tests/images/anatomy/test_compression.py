"""A layer's stream is unpacked by what it begins with, piece by piece, and a bomb ends."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib

import pyarrow as pa
import pytest

from bench.images.anatomy import compression
from bench.images.anatomy.compression import BombError, estimated, unpacked

DATA = os.urandom(300_000) + bytes(2_000_000) + os.urandom(50_000)
SKIPPED = struct.pack("<II", 0x184D2A50, 1000) + b"x" * 1000


def zstd(data: bytes) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(data)
    return buffer.getvalue().to_pybytes()


def cut(data: bytes, size: int = 10_000):
    return (data[at : at + size] for at in range(0, len(data), size))


def whole(data: bytes, size: int = 10_000) -> bytes:
    return b"".join(piece for piece, _ in unpacked(cut(data, size)))


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("plain", DATA),
        ("gzip", gzip.compress(DATA)),
        ("gzip of several members", gzip.compress(DATA[:1000]) + gzip.compress(b"") + gzip.compress(DATA[1000:])),
        ("gzip with padding", gzip.compress(DATA) + bytes(1000)),
        ("zstd", zstd(DATA)),
        ("zstd of several frames", zstd(DATA[:1000]) + zstd(DATA[1000:])),
        ("zstd with a skippable frame first", SKIPPED + zstd(DATA)),
        ("zstd with skippable frames between and last", zstd(DATA[:5]) + SKIPPED + zstd(DATA[5:]) + SKIPPED),
    ],
)
@pytest.mark.parametrize("size", [997, 1 << 20])
def test_each_packing_is_undone_and_all_of_it_is_counted(name, packed, size):
    pieces = list(unpacked(cut(packed, size)))
    assert b"".join(piece for piece, _ in pieces) == DATA, name
    assert max(len(piece) for piece, _ in pieces) <= compression.PIECE_BYTES
    used = [wire for _, wire in pieces]
    assert used == sorted(used)
    assert used[-1] <= len(packed)


def test_a_stream_of_very_many_members_is_unpacked_in_time_linear_in_it():
    packed = gzip.compress(b"x") * 20_000
    assert whole(packed, 1 << 20) == b"x" * 20_000


def test_an_empty_stream_is_an_empty_layer():
    assert list(unpacked([])) == []
    assert whole(gzip.compress(b"")) == whole(zstd(b"")) == b""


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (gzip.compress(DATA)[:-20000], "ends early"),
        (gzip.compress(DATA)[:5], "ends early"),
        (gzip.compress(DATA)[:200_000] + b"junk" * 1000, "broken|early"),
        (gzip.compress(b"data")[:-8] + b"\0" * 8, "broken"),
        (gzip.compress(DATA) + b"more", "no gzip follow"),
        (zstd(DATA)[:100_000], "broken|early"),
        (zstd(DATA)[:200_000] + b"junk" * 1000, "broken|early"),
    ],
)
def test_a_broken_stream_is_a_value_error_that_says_so(packed, says):
    with pytest.raises(ValueError, match=says):
        whole(packed)


@pytest.mark.parametrize("pack", [gzip.compress, zstd, bytes])
def test_a_bomb_ends_at_the_stated_bound(pack):
    with pytest.raises(BombError, match="more than 5000000 bytes"):
        list(unpacked(cut(pack(bytes(20_000_000))), limit_bytes=5_000_000))


def test_a_ratio_that_only_a_bomb_has_ends_before_the_bound(monkeypatch):
    monkeypatch.setattr(compression, "FREE_BYTES", 10_000_000)
    with pytest.raises(BombError, match="first .* bytes unpack to"):
        list(unpacked(cut(zstd(bytes(100_000_000)))))
    assert len(whole(gzip.compress(bytes(30_000_000)))) == 30_000_000  # gzip cannot reach it


def test_a_bomb_takes_no_memory():
    packed = gzip.compress(bytes(60_000_000))
    tracemalloc.start()
    assert sum(len(piece) for piece, _ in unpacked(cut(packed, 1 << 20))) == 60_000_000
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


def test_an_estimate_is_near_what_gzip_makes_of_it():
    text = b"".join(b"line %d of a text that repeats itself %d\n" % (i, i * i) for i in range(60_000))
    data = text + os.urandom(2 << 20) + bytes(2 << 20)
    pieces = list(estimated(cut(data, 70_000)))
    assert b"".join(piece for piece, _ in pieces) == data
    packed = len(zlib.compress(data, 6))
    assert abs(pieces[-1][1] - packed) < 0.1 * packed

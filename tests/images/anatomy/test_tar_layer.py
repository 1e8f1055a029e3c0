"""A layer is read from its stream: good tars as tarfile reads them, hostile ones told and harmless."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.images.anatomy import tar_layer
from bench.images.anatomy.entries import EntryKind, Interest
from tests.images.anatomy.tars import END, header, layer, pax, tar

GIANT = 2**63  # 8 EiB


def named(contents):
    return {entry.path: entry for entry in contents.entries}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_folders_and_links_are_what_tarfile_wrote_in_each_form(form):
    data = tar({"a/b": b"12345", "./c": b""}, folders=["a"], links={"s": "a/b"}, hard={"h": "a/b"}, form=form)
    found = named(layer(data))
    assert {path: entry.kind for path, entry in found.items()} == {
        "a": EntryKind.FOLDER,
        "a/b": EntryKind.FILE,
        "c": EntryKind.FILE,
        "s": EntryKind.SYMLINK,
        "h": EntryKind.HARDLINK,
    }
    assert (found["a/b"].disk_bytes, found["h"].disk_bytes, found["s"].link, found["h"].link) == (5, 0, "a/b", "a/b")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_whole(form):
    long, foreign = "d/" * 150 + "x", "ünï/文字"
    contents = layer(tar({long: b"1", foreign: b"2"}, links={"l": long}, form=form))
    assert set(named(contents)) == {long, foreign, "l"}
    assert named(contents)["l"].link == long
    assert contents.doubts == []


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-zé]{1,8}){0,3}", fullmatch=True), st.binary(max_size=3000)),
    st.integers(1, 5000),
)
def test_sizes_contents_and_diff_id_do_not_depend_on_how_the_stream_is_cut(files, chunk_bytes):
    data = tar(files)
    contents = layer(data, interest=Interest(keep=lambda _: 10_000), chunk_bytes=chunk_bytes)
    assert contents.kept == files
    assert {path: entry.disk_bytes for path, entry in named(contents).items()} == {p: len(d) for p, d in files.items()}
    assert contents.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert (contents.tar_bytes, contents.doubts) == (len(data), [])


def test_a_file_s_share_of_the_wire_is_what_it_packs_to():
    noise, zeros = random.Random(1).randbytes(3_000_000), bytes(3_000_000)
    packed = gzip.compress(tar({"zeros": zeros, "noise": noise}))
    contents = layer(packed)
    found = named(contents)
    assert found["zeros"].wire_bytes < 20_000
    assert abs(found["noise"].wire_bytes - len(noise)) < 20_000
    assert sum(entry.wire_bytes for entry in contents.entries) <= contents.wire_bytes == len(packed)


def test_whiteouts_are_told_from_files():
    contents = layer(tar({"a/.wh.b": b"", "c/.wh..wh..opq": b"", ".wh..wh.plnk": b"", ".wh.x": b"", ".whole": b"1"}))
    assert {(entry.path, entry.kind) for entry in contents.entries} == {
        ("a/b", EntryKind.WHITEOUT),
        ("c", EntryKind.OPAQUE),
        ("x", EntryKind.WHITEOUT),
        (".whole", EntryKind.FILE),
    }


def test_a_scanner_sees_every_byte_once_and_only_of_its_files():
    class Counting:
        def __init__(self) -> None:
            self.data = b""

        def feed(self, chunk: bytes) -> None:
            self.data += chunk

        def found(self) -> dict[str, int]:
            return {"bytes": len(self.data), "sum": sum(self.data)}

    data = random.Random(2).randbytes(100_000)
    interest = Interest(scanner=lambda path, size: Counting() if path == "x.so" and size == len(data) else None)
    contents = layer(tar({"x.so": data, "y": data}), interest=interest, chunk_bytes=777)
    assert contents.scanned == {"x.so": {"bytes": len(data), "sum": sum(data)}}


def test_no_more_of_a_file_or_an_image_is_kept_than_was_asked_for():
    interest = Interest(keep=lambda path: 4 if path.startswith("k") else 0)
    contents = layer(tar({"k": b"123456", "x": b"123"}), interest=interest)
    assert (contents.kept, named(contents)["k"].disk_bytes) == ({"k": b"1234"}, 6)
    budget = tar_layer.Budget(kept_bytes=6)
    assert layer(tar({"k1": b"1234", "k2": b"1234"}), interest=interest, budget=budget).kept == {
        "k1": b"1234",
        "k2": b"12",
    }
    assert layer(tar({"k3": b"1234"}), interest=interest, budget=budget).kept == {}


@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "/../x", "a/.."])
def test_a_path_out_of_the_image_is_told_and_left_out(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = layer(header(path.encode(), size=1) + b"x".ljust(512, b"\0") + tar({"good": b"1"}))
    assert set(named(contents)) == {"good"}
    assert any("points out of the image" in doubt for doubt in contents.doubts)
    assert list(tmp_path.parent.rglob("passwd")) == []


def test_links_are_never_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    data = tar(links={"door": str(outside)})[: -10240 + 512] + tar({"door/x": b"1"})
    contents = layer(data)
    assert named(contents)["door"].link == str(outside)
    assert list(outside.iterdir()) == []
    assert layer(tar(hard={"h": "../../etc/shadow"})).entries[0].link == ""


def test_an_absolute_path_lies_in_the_image():
    assert set(named(layer(tar({"/etc/x": b"1", "//y/./z": b"2"})))) == {"etc/x", "y/z"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("octal", header(b"big", size=0o77777777777) + b"abc"),
        ("base 256", header(b"big", size=b"\x80" + (GIANT - 1).to_bytes(11, "big")) + b"abc"),
        ("negative", header(b"big", size=b"\xff" * 12) + b"abc"),
        ("endless", header(b"big", size=b"\x80" + GIANT.to_bytes(11, "big")) + b"abc"),
        ("pax", pax(size=str(GIANT - 1)) + header(b"big") + b"abc"),
        ("pax, 40 digits", pax(size="9" * 40) + header(b"big") + b"abc"),
        ("pax, negative", pax(size="-1") + header(b"big") + b"abc"),
        ("scanned", header(b"kept", size=0o77777777777) + b"abc"),
    ],
)
def test_a_declared_size_without_bytes_counts_for_nothing(name, data):
    contents = layer(tar({"before": b"1"})[:1024] + data, interest=Interest(keep=lambda path: 9 * (path == "kept")))
    assert (set(named(contents)), sum(entry.disk_bytes for entry in contents.entries)) == ({"before"}, 1), name
    assert contents.doubts


def test_a_sparse_file_counts_what_it_has_and_its_declared_giant_is_told():
    old = bytearray(header(b"old", kind=b"S", size=512))
    old[386:398], old[398:410], old[483:495] = b"00000000000\0", b"00000001000\0", b"77777777777\0"
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old)
    new = pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__name="new", GNU__sparse__realsize=str(2**62))
    contents = layer(bytes(old) + b"x" * 512 + new + header(b"GNUSparseFile.0/new", size=512) + b"y" * 512 + END)
    assert {path: entry.disk_bytes for path, entry in named(contents).items()} == {"old": 512, "new": 512}
    assert [doubt.split(";")[0] for doubt in contents.doubts] == ["old: sparse", "new: sparse"]


def test_an_extended_header_of_gigabytes_is_refused_before_it_is_read():
    def endless():
        yield header(b"pax", kind=b"x", size=0o77777777777), 512
        for _ in range(64):
            yield b"1" * (1 << 20), 0

    tracemalloc.start()
    contents = tar_layer.read_layer(endless(), index=0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "an extended header of 8589934591 bytes" in contents.doubts[0]
    assert peak_bytes < 8 << 20


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_extended_headers_without_end_are_refused(kind):
    body = b"9 path=a\n" if kind in b"xg" else b"a"
    data = (header(b"p", kind=kind, size=len(body)) + body.ljust(512, b"\0")) * 100 + tar({"a": b"1"})
    contents = layer(data)
    assert contents.entries == []
    assert "extended headers before one member" in contents.doubts[0]


@pytest.mark.parametrize(
    "body", [b"99999999 path=x\n", b"0 path=x\n", b"-5 path=x\n", b"path=x\n", b"12 pathx=\n", b"7 path\n"]
)
def test_an_extended_header_of_no_known_form_is_told(body):
    contents = layer(header(b"p", kind=b"x", size=len(body)) + body.ljust(512, b"\0") + tar({"a": b"1"}))
    assert len(contents.doubts) == 1 or set(named(contents)) == {"a"}


def test_a_wrong_checksum_ends_the_reading_but_not_the_digest():
    data = tar({"a": b"1"})[:1024] + header(b"b", checksum=1) + tar({"c": b"2"})
    contents = layer(data)
    assert set(named(contents)) == {"a"}
    assert contents.doubts == ["a header whose checksum is wrong: what follows is not known"]
    assert contents.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("length", "names", "says"),
    [
        (100, set(), "it ends inside a header"),
        (700, set(), "a: declares 600 bytes, which are not there"),
        (1536 + 100, {"a"}, "it ends inside a header"),
        (2048 + 599, {"a"}, "b: declares 600 bytes, which are not there"),
    ],
)
def test_a_truncated_layer_is_told(length, names, says):
    contents = layer(tar({"a": b"1" * 600, "b": b"2" * 600})[:length])
    assert (set(named(contents)), contents.tar_bytes) == (names, length)
    assert contents.doubts[0].startswith(says)


def test_a_truncated_packed_layer_is_told():
    packed = gzip.compress(tar({"a": b"1" * 600, "b": os.urandom(4000)}))
    contents = layer(packed[:-100])
    assert set(named(contents)) == {"a", "b"} or contents.doubts[0].startswith("b: declares")
    assert contents.doubts[-1] == "the compressed stream ends early: what follows is not known"


def test_what_follows_the_end_is_told_and_not_read():
    contents = layer(tar({"a": b"1"}) + tar({"hidden": b"2"}))
    assert set(named(contents)) == {"a"}
    assert contents.doubts == ["data follows the end of the archive; no container sees it"]


def test_the_last_of_two_members_of_a_name_counts():
    contents = layer(tar({"a": b"first"})[:1024] + tar({"./a": b"22"}), interest=Interest(keep=lambda _: 9))
    assert [(entry.path, entry.disk_bytes) for entry in contents.entries] == [("a", 2)]
    assert contents.kept == {"a": b"22"}
    assert contents.doubts == ["a: more than once in the layer; the last one counts"]


def test_a_deep_path_is_read_and_an_unopenable_one_is_not():
    deep, deeper = "d/" * 2000 + "x", "d/" * 2100 + "x"
    contents = layer(tar({deep: b"1", deeper: b"2"}))
    assert set(named(contents)) == {deep}
    assert "no path that a container can open" in contents.doubts[0]


def test_an_image_of_too_many_members_or_names_is_an_error():
    budget = tar_layer.Budget(members=10)
    layer(tar({f"f{i}": b"" for i in range(5)}), budget=budget)
    layer(tar({f"f{i}": b"" for i in range(5)}), budget=budget)
    with pytest.raises(InputError, match="more files"):
        layer(tar({"one": b""}), budget=budget)
    with pytest.raises(InputError, match="longer names"):
        layer(tar({"d/" * 1000 + str(i): b"" for i in range(3)}), budget=tar_layer.Budget(name_bytes=5_000_000))


def test_doubts_are_bounded():
    data = b"".join(header(b"../%d" % number) for number in range(500)) + END
    contents = layer(data)
    assert (len(contents.doubts), contents.doubts[-1]) == (51, "and 450 more")


def test_devices_are_read_and_unknown_types_are_told():
    contents = layer(header(b"dev/null", kind=b"3") + header(b"odd", kind=b"Q") + END)
    assert [(entry.path, entry.kind) for entry in contents.entries] == [("dev/null", EntryKind.OTHER)]
    assert "odd: a member of type b'Q'" in contents.doubts[0]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise(data):
    whole = bytearray(tar({"a/b": b"x" * 700, "l" * 150: b"y" * 10}, links={"s": "t"}))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, 4000))] = data.draw(st.integers(0, 255))
    assert layer(bytes(whole)).tar_bytes == len(whole)


def test_nothing_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layer(tar({"a": b"1", "/etc/b": b"2"}, links={"l": "/etc"}))
    assert list(tmp_path.iterdir()) == []


def test_a_large_layer_takes_a_few_megabytes():
    size, piece = 128 << 20, b"\0" * (1 << 20)
    head = io.BytesIO(header(b"large", size=size)).getvalue()

    def pieces():
        yield head, 512
        for number in range(size >> 20):
            yield piece, number
        yield END, 0

    tracemalloc.start()
    contents = tar_layer.read_layer(pieces(), index=0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert contents.entries[0].disk_bytes == size
    assert peak_bytes < 4 << 20

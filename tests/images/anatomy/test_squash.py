"""Layers over each other, against what was worked out by hand from overlay's rules and dive's source."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.images.anatomy.entries import EntryKind, Interest
from bench.images.anatomy.squash import efficiency, lay_over, stack
from tests.images.anatomy.tars import layer, layers, tar


def seen(*tars: bytes) -> dict[str, int]:
    return {path: entry.disk_bytes for path, entry in lay_over(layers(*tars)).files.items()}


def test_a_later_file_hides_an_earlier_one():
    assert seen(tar({"a": b"1" * 10, "b": b"2"}), tar({"a": b"333"})) == {"a": 3, "b": 1}


def test_a_whiteout_deletes_a_file_a_folder_with_all_in_it_and_nothing_of_its_own_layer():
    base = tar({"d/x": b"1", "d/e/y": b"2", "f": b"3", "dd": b"4"}, folders=["d", "d/e"])
    assert seen(base, tar({".wh.d": b"", ".wh.f": b""})) == {"dd": 1}
    assert seen(base, tar({".wh.d": b"", "d/new": b"55"}, folders=["d"])) == {"dd": 1, "f": 1, "d/new": 2}
    assert seen(base, tar({".wh.f": b""}), tar({"f": b"66"})) == {"d/x": 1, "d/e/y": 1, "dd": 1, "f": 2}


def test_an_opaque_folder_hides_what_lower_layers_put_into_it_only():
    base = tar({"d/x": b"1", "d/e/y": b"2", "f": b"3"}, folders=["d", "d/e"])
    assert seen(base, tar({"d/.wh..wh..opq": b"", "d/z": b"44"}, folders=["d"])) == {"d/z": 2, "f": 1}
    assert seen(base, tar({".wh..wh..opq": b"", "z": b"44"})) == {"z": 2}


def test_a_file_or_link_in_place_of_a_folder_hides_what_was_below_and_a_folder_hides_a_file():
    assert seen(tar({"d/x": b"1"}, folders=["d"]), tar({"d": b"22"})) == {"d": 2}
    assert seen(tar({"d/x": b"1"}, folders=["d"]), tar(links={"d": "e"})) == {"d": 0}
    assert seen(tar({"d": b"22"}), tar({"d/x": b"1"}, folders=["d"])) == {"d/x": 1}
    assert seen(tar({"d": b"22"}), tar(folders=["d"])) == {}


def test_a_folder_merges_with_a_folder():
    assert seen(tar({"d/x": b"1"}, folders=["d"]), tar({"d/y": b"22"}, folders=["d"])) == {"d/x": 1, "d/y": 2}


def test_a_hard_link_counts_once_and_keeps_the_bytes_of_a_hidden_target():
    base = tar({"a": b"12345"}, hard={"b": "a", "c": "a"})
    assert seen(base) == {"a": 5, "b": 0, "c": 0}
    later = lay_over(layers(base, tar({".wh.a": b""})))
    assert {path: (entry.kind, entry.disk_bytes) for path, entry in later.files.items()} == {
        "b": (EntryKind.FILE, 5),
        "c": (EntryKind.HARDLINK, 0),
    }


def test_kept_contents_are_those_of_the_visible_file():
    keep = Interest(keep=lambda _: 99)
    base, top = (
        layer(tar({"a": b"old", "b": b"gone", "c": b"here"}), 0, keep),
        layer(tar({"a": b"new", ".wh.b": b""}), 1, keep),
    )
    assert lay_over([base, top]).kept == {"a": b"new", "c": b"here"}


def test_who_hides_is_the_first_layer_above_that_does():
    found = stack(layers(tar({"a": b"1" * 7}), tar({"a": b"22"}), tar({"a": b"3"})))
    assert [(entry.layer, entry.disk_bytes, hider.layer) for entry, hider in found.hidden] == [(1, 2, 2), (0, 7, 1)]


# By hand, from dive's filetree/efficiency.go: sum of each path's smallest size / sum of all its sizes.
@pytest.mark.parametrize(
    ("tars", "score", "wasted_bytes"),
    [
        ([tar({"a": b"x" * 100, "b": b"x" * 50})], 1.0, 0),
        ([tar({"a": b"x" * 100}), tar({"a": b"x" * 300})], 100 / 400, 100),
        ([tar({"a": b"x" * 300}), tar({"a": b"x" * 100}), tar({"a": b"x" * 200})], 100 / 600, 400),
        ([tar({"a": b"x" * 100, "b": b"x" * 50}), tar({".wh.a": b""})], 50 / 150, 100),  # a whiteout has size 0
        ([tar({"d/a": b"x" * 60, "d/b": b"x" * 40, "c": b"x" * 100}, folders=["d"]), tar({".wh.d": b""})], 1.0, 100),
        ([tar(folders=["d"])], 1.0, 0),
    ],
)
def test_efficiency_is_dive_s_and_what_is_wasted_is_what_no_container_sees(tars, score, wasted_bytes):
    found = efficiency(layers(*tars))
    assert found[0] == pytest.approx(score)
    assert found[1] == wasted_bytes
    assert sum(path.wasted_bytes for path in found[2]) == wasted_bytes


def test_wasted_paths_are_named_largest_first_and_a_deleted_folder_once():
    base = tar({"d/a": b"x" * 60, "d/b": b"x" * 40, "c": b"x" * 30}, folders=["d"])
    _, _, wasted = efficiency(layers(base, tar({"c": b"1"}), tar({".wh.d": b"", "c": b"22"})))
    assert [(one.path, one.wasted_bytes, one.copies, one.layers) for one in wasted] == [
        ("d", 100, 2, (0, 2)),
        ("c", 31, 3, (0, 1, 2)),
    ]


NAMES = st.sampled_from(["a", "a/b", "a/b/c", "a/c", "b", "b/a", "b/a/c", "c"])
MEMBERS = st.lists(
    st.tuples(NAMES, st.sampled_from(["file", "folder", "gone", "opaque"]), st.integers(0, 40)), max_size=7
)


@settings(max_examples=60, deadline=None)
@given(st.lists(MEMBERS, min_size=1, max_size=4))
def test_any_layers_are_seen_as_if_they_were_unpacked_one_after_another(drawn):
    tars = [written(members) for members in drawn]
    found = stack(layers(*tars))
    assert {p: e.disk_bytes for p, e in found.visible.files.items()} == unpacked_by_hand(drawn)
    total = sum(entry.disk_bytes for one in layers(*tars) for entry in one.entries)
    assert efficiency(layers(*tars))[1] == total - sum(e.disk_bytes for e in found.visible.files.values())


def chosen(members):
    """A layer that an engine could write: no file where it has a folder, each path once."""
    kinds: dict[str, tuple[str, int]] = {}
    for path, kind, size in members:
        above = [path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)]
        if path in kinds or any(kinds.get(one, ("folder", 0))[0] not in ("folder", "opaque") for one in above):
            continue
        if kind in ("file", "gone") and any(other.startswith(path + "/") for other in kinds):
            continue
        kinds[path] = (kind, size)
    return kinds


def written(members) -> bytes:
    files, folders = {}, set()
    for path, (kind, size) in chosen(members).items():
        folder, _, name = path.rpartition("/")
        folders |= {path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)}
        if kind == "file":
            files[path] = b"x" * size
        elif kind == "gone":
            files[f"{folder}/.wh.{name}" if folder else f".wh.{name}"] = b""
        else:
            folders.add(path)
            if kind == "opaque":
                files[f"{path}/.wh..wh..opq"] = b""
    return tar(files, folders=sorted(folders))


def unpacked_by_hand(drawn) -> dict[str, int]:
    """Path by path, as an unpacker works: deletions of a layer first, then what it brings. None = a folder."""
    tree: dict[str, int | None] = {}
    for members in drawn:
        kinds = chosen(members)
        for path, (kind, _) in kinds.items():
            for other in [one for one in tree if one.startswith(path + "/") and kind != "folder"]:
                del tree[other]
            if kind == "gone":
                tree.pop(path, None)
        for path, (kind, size) in kinds.items():
            for count in range(path.count("/"), 0, -1):
                tree[path.rsplit("/", count)[0]] = None
            if kind == "file":
                tree[path] = size
            elif kind != "gone":
                tree[path] = None
    return {path: size for path, size in tree.items() if size is not None}

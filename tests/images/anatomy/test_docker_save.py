"""The archive of `docker save`, as engines before 25 and newer ones write it; what is no such archive is an error."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from bench.errors import ArmError
from bench.images.anatomy.docker_save import read_saved
from bench.images.anatomy.entries import Interest
from tests.images.anatomy.tars import info, tar

BASE, TOP = tar({"a": b"1" * 900}), tar({".wh.a": b"", "b": b"2"})


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def config(*layers: bytes) -> bytes:
    image = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{sha(one)}" for one in layers]}}
    return json.dumps(image).encode()


def archive(members: dict[str, bytes | str]) -> bytes:
    """Text is the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, data in members.items():
            if isinstance(data, str):
                out.addfile(info(name, tarfile.SYMTYPE, link=data))
            else:
                out.addfile(info(name, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))
    return buffer.getvalue()


def old(manifest: list[str], **more: bytes | str) -> dict[str, bytes | str]:
    """Members as Docker 20.10 orders them: by id, so the top layer may come first; the manifest last."""
    image = config(BASE, TOP)
    listed = [{"Config": f"{sha(image)}.json", "RepoTags": ["x:1"], "Layers": manifest}]
    return {
        "aa/VERSION": b"1.0",
        "aa/json": b"{}",
        "aa/layer.tar": TOP,
        "bb/layer.tar": BASE,
        f"{sha(image)}.json": image,
        **more,
        "manifest.json": json.dumps(listed).encode(),
    }


def saved(members: dict[str, bytes | str], **options):
    data = archive(members)
    return read_saved((data[at : at + 7000] for at in range(0, len(data), 7000)), where="x:1", **options)


def test_layers_come_in_the_manifest_s_order_not_in_the_archive_s():
    found = saved(old(["bb/layer.tar", "aa/layer.tar"]), interest=Interest(keep=lambda _: 5))
    assert [layer.diff_id for layer in found.layers] == [f"sha256:{sha(BASE)}", f"sha256:{sha(TOP)}"]
    assert [(one.index, {entry.layer for entry in one.entries}) for one in found.layers] == [(0, {0}), (1, {1})]
    assert [one.kept for one in found.layers] == [{"a": b"11111"}, {"b": b"2"}]
    assert found.config["os"] == "linux"
    assert found.is_estimate
    assert [digest for digest, _ in found.blobs] == [None, None]
    assert 0 < found.blobs[0][1] < len(BASE)


def test_a_link_to_an_equal_layer_is_that_layer():
    found = saved(old(["bb/layer.tar", "aa/layer.tar", "cc/layer.tar"], **{"cc/layer.tar": "../aa/layer.tar"}))
    assert [layer.diff_id for layer in found.layers][1:] == [f"sha256:{sha(TOP)}"] * 2
    assert [{entry.layer for entry in layer.entries} for layer in found.layers] == [{0}, {1}, {2}]


def test_a_newer_engine_s_packed_layers_have_their_real_size_on_the_wire():
    packed, image = gzip.compress(BASE), config(BASE)
    listed = [{"Config": f"blobs/sha256/{sha(image)}", "Layers": [f"blobs/sha256/{sha(packed)}"]}]
    attestation = json.dumps({"_type": "https://in-toto.io/Statement/v0.1"}).encode()
    found = saved(
        {
            f"blobs/sha256/{sha(packed)}": packed,
            f"blobs/sha256/{sha(image)}": image,
            f"blobs/sha256/{sha(attestation)}": attestation,
            "index.json": b"{}",
            "manifest.json": json.dumps(listed).encode(),
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        }
    )
    assert found.blobs == ((f"sha256:{sha(packed)}", len(packed)),)
    assert (found.layers[0].diff_id, found.is_estimate) == (f"sha256:{sha(BASE)}", False)


def test_a_newer_engine_s_unpacked_layers_are_estimated():
    image = config(BASE)
    listed = [{"Config": f"blobs/sha256/{sha(image)}", "Layers": [f"blobs/sha256/{sha(BASE)}"]}]
    found = saved(
        {
            f"blobs/sha256/{sha(BASE)}": BASE,
            f"blobs/sha256/{sha(image)}": image,
            "manifest.json": json.dumps(listed).encode(),
        }
    )
    assert (found.is_estimate, found.blobs[0][0]) == (True, None)


def test_an_empty_layer_is_a_layer():
    nothing = bytes(1024)
    members = old(["bb/layer.tar", "cc/layer.tar"], **{"cc/layer.tar": nothing})
    assert saved(members).layers[1].diff_id == f"sha256:{sha(nothing)}"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"manifest.json": b"[]"}, "does not name one image"),
        ({"x": b"1"}, "does not name one image"),
        ({"manifest.json": b"not json"}, "cannot be read"),
        ({"manifest.json": b'[{"Config": "c.json", "Layers": []}]'}, "no config or no layers"),
        (old(["bb/layer.tar", "dd/layer.tar"]), "dd/layer.tar is not in it"),
        (old(["bb/layer.tar", "cc/l"], **{"cc/l": "dd/l", "cc/dd/l": "../l"}), "is not in it"),
    ],
)
def test_what_is_no_archive_of_one_image_is_told(members, says):
    with pytest.raises(ArmError, match=says):
        saved(members)


@pytest.mark.parametrize("length", [0, 100, 3000, 9000])
def test_a_cut_archive_is_told(length):
    data = archive(old(["bb/layer.tar", "aa/layer.tar"]))[:length]
    with pytest.raises(ArmError, match="cannot be read"):
        read_saved([data], where="x:1")

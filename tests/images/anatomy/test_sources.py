"""Layers come from a registry over HTTP, held against their digests, and from a real engine; both say the same."""

from __future__ import annotations

import base64
import gzip
import io
import json
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from bench.errors import ArmError
from bench.images.anatomy.entries import EntryKind, Interest
from bench.images.anatomy.image import take_apart
from bench.images.anatomy.sources import engine_layers, registry_layers
from bench.images.anatomy.squash import lay_over
from bench.images.push import push_image
from bench.images.reference import parse_reference
from bench.images.registry import resolve
from bench.images.session import Session
from tests.dockerside import requires_docker
from tests.images.anatomy.tars import tar
from tests.images.anatomy.test_docker_save import archive, sha
from tests.images.tokens import MANIFEST, PASSWORD, TOKEN, USER, BearerRegistry, bearer_registry, digest_of
from tests.registry import PrivateRegistry, open_registry

__all__ = ["open_registry"]
BASE = tar(
    {"etc/os-release": b'PRETTY_NAME="Test 1"\n', "d/x": b"1" * 500, "d/y": b"2" * 50, "gone": b"3" * 70, "f": b"4"},
    folders=["etc", "d"],
    links={"link": "d/x"},
    hard={"second": "d/y"},
)
TOP = tar({"d/x": b"5" * 20, ".wh.gone": b"", "f/inside": b"6"}, folders=["d", "f"])
LAST = tar({"d/.wh..wh..opq": b"", "d/z": b"7" * 9, "new": bytes(100_000)}, folders=["d"])
ENGINE_S_OWN = (".dockerenv", "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab")


def image_config(*layers: bytes) -> dict[str, object]:
    steps = [{"created": "2026-10-01T00:00:00Z", "created_by": f"step {n}"} for n in range(len(layers))]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-10-02T00:00:00Z",
        "config": {"Env": ["A=1"], "Labels": {"l": "1"}, "User": "7"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(one)}" for one in layers]},
        "history": [*steps, {"created_by": "CMD x", "empty_layer": True}],
    }


@pytest.fixture
def registry() -> Iterator[BearerRegistry]:
    with bearer_registry() as running:
        yield running


@pytest.fixture
def no_login(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def publish(registry: BearerRegistry, *layers: bytes, sizes: tuple[int, ...] = (), config: bytes = b"") -> str:
    """An image of these blobs; `sizes` are what its manifest says instead of the truth."""
    config = config or json.dumps(image_config(*(gzip.decompress(one) for one in layers))).encode()
    registry.blobs |= {digest_of(one): one for one in (*layers, config)}
    named = [
        {"digest": digest_of(one), "size": size}
        for one, size in zip(layers, sizes or tuple(map(len, layers)), strict=True)
    ]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": named}
    registry.add(MANIFEST, document | {"config": {"digest": digest_of(config), "size": len(config)}}, "1")
    return f"{registry.address}/team/app:1"


def test_an_image_of_a_registry_is_read_with_each_layer_s_digest_and_bytes(registry, no_login):
    registry.rules.blobs_elsewhere = True
    packed = [gzip.compress(one) for one in (BASE, TOP, LAST)]
    found = registry_layers(publish(registry, *packed), environ=no_login)
    assert found.blobs == tuple((digest_of(one), len(one)) for one in packed)
    assert [layer.diff_id for layer in found.layers] == [f"sha256:{sha(one)}" for one in (BASE, TOP, LAST)]
    assert (found.env, found.labels, found.user, found.created_utc) == (
        {"A": "1"},
        {"l": "1"},
        "7",
        "2026-10-02T00:00:00Z",
    )
    assert found.history[-1] == ("CMD x", None, True)
    assert (found.doubts, found.wire_is_estimate) == ((), False)
    asked = [login for kind, path, login in registry.seen if kind == "store"]
    assert asked == [None] * len(asked), "a login went to the host of the blobs"


def test_a_blob_of_other_bytes_is_refused_also_behind_a_broken_layer(registry, no_login):
    for content in (gzip.compress(BASE), b"\x1f\x8b broken"):
        reference = publish(registry, content, config=b'{"os":"linux","architecture":"amd64"}')
        registry.blobs[digest_of(content)] = content[:-1] + b"!"
        with pytest.raises(ArmError, match="not those of sha256:"):
            registry_layers(reference, environ=no_login)


@pytest.mark.parametrize(("error", "says"), [(1, "fewer"), (-1, "more")])
def test_a_blob_of_another_size_is_refused(registry, no_login, error, says):
    packed = gzip.compress(BASE)
    with pytest.raises(ArmError, match=f"{says} bytes than its manifest says"):
        registry_layers(publish(registry, packed, sizes=(len(packed) + error,)), environ=no_login)


def test_a_layer_that_is_not_what_the_config_says_is_told(registry, no_login):
    config = json.dumps(image_config(TOP)).encode()
    found = registry_layers(publish(registry, gzip.compress(BASE), config=config), environ=no_login)
    assert found.doubts[0].startswith(f"layer 1 unpacks to sha256:{sha(BASE)}, not to")


def test_a_token_that_ran_out_is_asked_for_anew_with_the_login(registry, tmp_path):
    registry.rules.is_public = False
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    reference, packed = publish(registry, gzip.compress(BASE)), gzip.compress(BASE)
    with Session(parse_reference(reference), {"DOCKER_CONFIG": str(tmp_path)}) as session:
        session.read("manifests/1", accept=MANIFEST)
        session._authorization = "Bearer run-out"
        assert b"".join(session.stream(digest_of(packed), size_bytes=len(packed))) == packed
        assert not session.anonymous
    assert registry.seen[-1][2] == f"Bearer {TOKEN}"


def test_a_blob_that_is_not_there_is_told(registry, no_login):
    packed = gzip.compress(BASE)
    reference = publish(registry, packed)
    del registry.blobs[digest_of(packed)]
    with pytest.raises(ArmError, match="answered 404"):
        registry_layers(reference, environ=no_login)


@pytest.fixture(scope="module")
def loaded(docker_engine: docker.DockerClient) -> Iterator[str]:
    """An image of three layers that an engine was given as an archive: built by nobody."""
    config = json.dumps(image_config(BASE, TOP, LAST)).encode()
    tag = f"nimbench-tests/loaded:{secrets.token_hex(4)}"  # an image without a name goes with its last one
    listed = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]
    members: dict[str, bytes | str] = {"config.json": config, "manifest.json": json.dumps(listed).encode()}
    members |= {"1/layer.tar": BASE, "2/layer.tar": TOP, "3/layer.tar": LAST}
    image = docker_engine.images.load(archive(members))[0].id
    yield image
    docker_engine.images.remove(image, force=True)


def exported(client: docker.DockerClient, image: str) -> dict[str, int]:
    """Files of a container as the engine itself lays its layers over each other."""
    container = client.containers.create(image, ["/x"])
    try:
        data = b"".join(container.export())
    finally:
        container.remove(force=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as members:
        return {one.name: one.size for one in members if not one.isdir() and not one.name.startswith(ENGINE_S_OWN)}


@requires_docker
@pytest.mark.slow
def test_what_is_seen_is_what_the_engine_s_container_has(loaded, client):
    visible = lay_over(engine_layers(loaded, client=client).layers)
    assert {path: entry.disk_bytes for path, entry in visible.files.items()} == {
        "etc/os-release": 21,
        "link": 0,
        "second": 50,
        "f/inside": 1,
        "d/z": 9,
        "new": 100_000,
    }
    assert exported(client, loaded) == {path: entry.disk_bytes for path, entry in visible.files.items()}


@requires_docker
@pytest.mark.slow
def test_registry_and_engine_say_the_same_of_one_image_and_skopeo_the_same_sum(
    loaded, client, open_registry: PrivateRegistry, tmp_path, monkeypatch
):
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path))
    reference = f"{open_registry.address}/team/app:1"
    push_image(loaded, reference, arm="x", environ={"DOCKER_CONFIG": str(open_registry.no_login)})
    try:
        of_registry, inventory = take_apart(reference, where="registry")
        of_engine, same = take_apart(loaded, where="engine")
        again, _ = take_apart(f"{reference}@{of_registry.digest}", where="registry")
    finally:
        client.images.remove(reference)
    assert inventory == same
    assert inventory.os == "Test 1"
    for name in ("config_digest", "platform", "disk_bytes", "visible_bytes", "groups", "wasted", "efficiency_ratio"):
        assert getattr(of_registry, name) == getattr(of_engine, name), name
    assert [layer.created_by for layer in of_engine.layers] == ["step 0", "step 1", "step 2"]
    assert [layer.removed_bytes for layer in of_engine.layers] == [
        0,
        500 + 70 + 1,
        20,
    ]  # `second` still shows what d/y was
    assert of_engine.disk_bytes - of_engine.visible_bytes == of_engine.wasted_bytes
    assert (of_registry.wire_is_estimate, of_engine.wire_is_estimate) == (False, True)
    assert again == replace(of_registry, reference=again.reference), "read again instead of kept"
    assert of_registry.wire_bytes == resolve(reference).wire_bytes == _skopeo_s_sum(reference)


def _skopeo_s_sum(reference: str) -> int:
    program = shutil.which("skopeo")
    if program is None:
        pytest.skip("skopeo, the second opinion, is not installed")
    asked = [program, "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    raw = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    return sum(layer["size"] for layer in raw["layers"]) + raw["config"]["size"]


@requires_docker
@pytest.mark.slow
def test_only_what_was_asked_for_is_kept(loaded, client):
    interest = Interest(keep=lambda path: 100 if path == "etc/os-release" else 0)
    found = engine_layers(loaded, interest=interest, client=client)
    assert [layer.kept for layer in found.layers] == [{"etc/os-release": b'PRETTY_NAME="Test 1"\n'}, {}, {}]
    assert sum(entry.kind is EntryKind.WHITEOUT for layer in found.layers for entry in layer.entries) == 1

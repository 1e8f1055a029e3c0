"""`nimbench image inspect` on images of a registry in this process: nothing is pulled, no secret is printed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.image_inspect import command
from bench.errors import ArmError, InputError
from bench.images.anatomy.kept import kept_at, known
from bench.images.anatomy.overview import _instructions
from tests.dockerside import requires_docker
from tests.images.anatomy.tars import tar
from tests.images.anatomy.test_docker_save import sha
from tests.images.tokens import MANIFEST, BearerRegistry, bearer_registry, digest_of

LAYER = tar({"etc/os-release": b'PRETTY_NAME="Test 1"\n', "opt/x": b"1" * 1000}, folders=["etc", "opt"])
SECRET = "hf_" + "a1B2" * 9


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BearerRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    with bearer_registry() as running:
        yield running


def publish(registry: BearerRegistry) -> tuple[str, int]:
    """(reference, bytes on the wire)."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-10-02T00:00:00Z",
        "config": {"Env": ["PATH=/bin", f"HF_TOKEN={SECRET}"], "Labels": {"l": "1"}},
        "rootfs": {"diff_ids": [f"sha256:{sha(LAYER)}"]},
        "history": [{"created_by": f"RUN login --token {SECRET}"}, {"created_by": "CMD x", "empty_layer": True}],
    }
    packed, body = gzip.compress(LAYER), json.dumps(config).encode()
    registry.blobs |= {digest_of(packed): packed, digest_of(body): body}
    layers = [{"digest": digest_of(packed), "size": len(packed)}]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers}
    registry.add(MANIFEST, document | {"config": {"digest": digest_of(body), "size": len(body)}}, "1")
    return f"{registry.address}/team/app:1", len(packed) + len(body)


def said(*words: str) -> str:
    return CliRunner().invoke(command, [*words], catch_exceptions=False).stdout


def test_json_has_the_keys_that_the_design_promises_and_reads_no_layer(registry):
    reference, wire_bytes = publish(registry)
    document = json.loads(said(reference, "--json"))
    assert list(document) == ["reference", "digest", "platform", "wire_bytes", "disk_bytes", "layers", "labels", "env"]
    assert (document["wire_bytes"], document["disk_bytes"]) == (wire_bytes, None)
    assert [list(layer) for layer in document["layers"]] == [["digest", "wire_bytes", "created_by"]]
    assert document["digest"] == digest_of(registry.manifests["1"][1])
    assert sum("/blobs/" in path for _, path, _ in registry.seen) <= 2, "more than the config was fetched"


def test_deep_json_adds_what_the_layers_hold_and_is_kept_by_content(registry, tmp_path):
    reference, _ = publish(registry)
    document = json.loads(said(reference, "--deep", "--json", "--sbom", str(tmp_path / "sbom.json")))
    assert document["disk_bytes"] == 1021
    assert document["anatomy"]["groups"] == {"unowned": 1021}
    assert document["inventory"]["os"] == "Test 1"
    assert json.loads((tmp_path / "sbom.json").read_text())["bomFormat"] == "CycloneDX"
    registry.seen.clear()
    assert json.loads(said(reference, "--deep", "--json"))["anatomy"] == document["anatomy"]
    layer = digest_of(gzip.compress(LAYER))
    assert not [path for _, path, _ in registry.seen if path.endswith(layer)], "the layer was read again"


def test_secrets_in_settings_and_instructions_are_neither_shown_nor_kept(registry, tmp_path):
    reference, _ = publish(registry)
    told = said(reference) + said(reference, "--json") + said(reference, "--deep") + said(reference, "--deep", "--json")
    assert SECRET not in told
    assert "--token [redacted]" in told
    assert [path for path in (tmp_path / "cache").rglob("*.json") if SECRET in path.read_text()] == []


def test_tables_name_layers_groups_and_what_is_unknown(registry):
    reference, _ = publish(registry)
    assert "in 1 layer\n" in said(reference)
    told = said(reference, "--deep")
    assert "Where the bytes are" in told
    assert "unowned" in told
    assert "Test 1" in told


def test_an_image_that_nobody_has_is_the_registry_s_error(registry):
    with pytest.raises(ArmError, match="answered 404"):
        said(f"{registry.address}/team/app:absent")


def test_options_of_a_deep_look_want_one():
    with pytest.raises(InputError, match="need --deep"):
        said("x", "--gpu", "sm_90")


@pytest.mark.parametrize("words", [("--gpu", "sm_xx"), ("--gpu", "hopper"), ("--sbom", "/nowhere/at/all/bom.json")])
def test_options_that_cannot_be_meant_are_refused_before_anything_is_asked(registry, words):
    with pytest.raises(InputError, match="no architecture" if words[0] == "--gpu" else "no such folder"):
        said(f"{registry.address}/team/app:1", "--deep", *words)
    assert not registry.seen


@pytest.mark.parametrize("platform", ["amd64", "linux/", "Linux/AMD64", "linux amd64", "linux/arm/v7/x"])
def test_a_platform_that_none_can_be_is_refused_before_anything_is_asked(registry, platform):
    with pytest.raises(InputError, match="--platform: no platform of an image"):
        said(f"{registry.address}/team/app:1", "--platform", platform)
    assert not registry.seen


@pytest.mark.parametrize("port", ["99999", "0", "65536"])
def test_a_port_that_none_can_be_is_the_user_s_error(registry, port):
    with pytest.raises(InputError, match=f"no registry can listen on port {port}"):
        said(f"localhost:{port}/team/app:1")


def test_a_name_that_no_image_can_have_is_the_user_s_error(registry):
    with pytest.raises(InputError, match="bad ref!!"):
        said("bad ref!!")


@requires_docker
def test_an_engine_s_image_is_shown_for_its_own_platform_only(docker_engine, tiny_image):
    assert "linux/amd64" in said(tiny_image, "--where", "engine")
    with pytest.raises(InputError, match="another platform"):
        said(tiny_image, "--where", "engine", "--platform", "linux/s390x")
    with pytest.raises(ArmError, match="invalid reference format"):
        said("bad ref!!", "--where", "engine")


def test_a_damaged_copy_is_read_as_none(registry, tmp_path):
    path = kept_at("registry", "sha256:" + "0" * 64, "sm_90")
    assert known(path) is None
    path.parent.mkdir(parents=True)
    for text in ("", "{", "[]", '{"anatomy": 1}', "\0" * 100):
        path.write_text(text)
        assert known(path) is None


@pytest.mark.parametrize(
    ("steps", "layers", "expected"),
    [
        (
            [("CMD x", 0), ("RUN a", 5), ("WORKDIR /x", 0), ("ENV A=1", 0), ("ADD b", 9)],
            3,
            ["ADD b", "WORKDIR /x", "RUN a"],
        ),
        ([("WORKDIR /x", 0), ("RUN a", 5)], 1, ["RUN a"]),
        ([("/bin/sh -c #(nop)  CMD [x]", 0), ("/bin/sh -c #(nop) ADD f", 5)], 1, ["/bin/sh -c #(nop) ADD f"]),
        ([("RUN a", 5)], 3, ["", "", ""]),
    ],
)
def test_an_engine_s_steps_are_matched_with_layers_or_left_open(steps, layers, expected):
    assert _instructions(steps, layers) == expected

"""What the doctor says of images: pinned, and readable without a key where that can be known from here."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import replace

import httpx
import pytest

from bench.container import Coldstart
from bench.doctor.images import check_images, short
from bench.vocabulary import ImageAbsent
from tests.doctor.contained import DIGEST, contained
from tests.registry import PASSWORD, registry_running


@pytest.fixture
def nobody():
    """An address of this host where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def checks(scenario, here=lambda reference: False):
    return {found.name: found for found in check_images(scenario, here)}


def scenario_of(folder, reference):
    return contained(folder, f"image: '{reference}'")


def put_image(registry):
    """An image of no layers, by the registry's own API; its digest."""
    auth = (registry.user, registry.password)
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": digest,
        },
        "layers": [],
    }
    with httpx.Client(base_url=f"http://{registry.address}", auth=auth) as client:
        upload = client.post("/v2/x/blobs/uploads/").headers["location"]
        client.put(f"{upload}&digest={digest}", content=config).raise_for_status()
        done = client.put(
            "/v2/x/manifests/1",
            content=json.dumps(manifest),
            headers={"content-type": manifest["mediaType"]},
        )
        done.raise_for_status()
        return done.headers["docker-content-digest"]


def test_a_tag_without_a_digest_is_missed_with_the_command_that_pins_it(tmp_path, nobody):
    found = checks(scenario_of(tmp_path, f"{nobody}/x:1"))["scenario.lock"]
    assert (found.ok, found.needed) == (False, True)
    assert found.found == f"arms.plain.image: {nobody}/x:1"
    assert found.repair.endswith("nimbench pin s")


def test_a_registry_that_cannot_be_reached_is_not_held_against_the_image(tmp_path, nobody):
    reference = f"{nobody}/x:1@{DIGEST}"
    found = checks(scenario_of(tmp_path, reference))
    assert found["scenario.lock"].ok
    assert (found[f"image {short(reference)}"].ok, found[f"image {short(reference)}"].needed) == (False, False)
    assert found[f"image {short(reference)}"].found.startswith("not known: ")


def test_an_image_that_is_here_already_asks_no_registry_unless_the_run_removes_it(tmp_path, nobody):
    scenario = scenario_of(tmp_path, f"{nobody}/x:1@{DIGEST}")
    name = "image " + short(f"{nobody}/x:1@{DIGEST}")
    assert checks(scenario, here=lambda reference: True)[name].found == "on this host already"
    removing = replace(scenario, coldstart=Coldstart(image_absent=ImageAbsent.ONCE))
    assert checks(removing, here=lambda reference: True)[name].found.startswith("not known: ")


def test_what_a_registry_says_is_told_apart(tmp_path, monkeypatch):
    with registry_running(tmp_path / "registry") as registry:
        digest = put_image(registry)
        name = f"{registry.address}/x:1@{digest}"
        monkeypatch.setenv("DOCKER_CONFIG", str(registry.no_login))
        refused = checks(scenario_of(tmp_path, name))[f"image {short(name)}"]
        assert (refused.ok, refused.needed) == (False, True)
        assert f"docker login {registry.address}" in refused.repair
        monkeypatch.setenv("DOCKER_CONFIG", str(registry.docker_config))
        read = checks(scenario_of(tmp_path, name))[f"image {short(name)}"]
        assert read.ok, read
        assert "with credentials" in read.found
        absent = f"{registry.address}/x:2@{DIGEST}"
        missing = checks(scenario_of(tmp_path, absent))[f"image {short(absent)}"]
        assert (missing.ok, missing.needed) == (False, True)
        assert PASSWORD not in str((refused, read, missing))


def test_the_registry_of_built_images_must_answer(tmp_path, nobody):
    scenario = replace(contained(tmp_path, "build: {context: custom}"), registry=nobody)
    found = checks(scenario)[f"registry {nobody}"]
    assert (found.ok, found.needed) == (False, True)

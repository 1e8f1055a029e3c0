"""`nimbench doctor --clean` finds what a run that was killed left, and takes nothing else."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys

import docker.errors
import pytest

from bench.dockerhost.creator import creator
from bench.dockerhost.labels import PID, RUN, SCENARIO
from bench.images.ours import is_own_name
from tests.cli.nimbench import nimbench
from tests.dockerside import requires_docker

pytestmark = pytest.mark.slow


@pytest.fixture
def scenario():
    """A name that no other test has: cleaning is held to it."""
    return f"clean-{secrets.token_hex(4)}"


@pytest.fixture
def dead():
    """The label of a process that has ended."""
    code = "from bench.dockerhost.creator import creator; print(creator())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def left(client, tiny_image, run_id, scenario, dead):
    """What a run that was killed with -9 leaves: a running container with a nameless volume, a network, a cache."""
    labels = {RUN: run_id, SCENARIO: scenario, PID: dead}
    volume = client.volumes.create(f"{scenario}-cache", labels=labels)
    network = client.networks.create(f"{scenario}-net", labels=labels)
    mounts = [
        docker.types.Mount(target="/cache", source=volume.name),
        docker.types.Mount(target="/nameless", source=None, type="volume"),
    ]
    container = client.containers.run(tiny_image, ["sleep", "600"], detach=True, labels=labels, mounts=mounts)
    yield container, volume, network
    # the fixture run_id removes by label what a failed test left


@pytest.fixture
def built(client, tiny_image, scenario):
    tag = f"nimbench/{scenario}-custom:built"
    client.images.get(tiny_image).tag(tag)
    yield tag
    if client.images.list(tag):
        client.images.remove(tag)


def clean(scenario, tmp_path, *options):
    done = nimbench("doctor", scenario, "--clean", "--json", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return {(thing["kind"], thing["name"]): thing["done"] for thing in json.loads(done.stdout)["things"]}


def exists(collection, name):
    try:
        collection.get(name)
    except docker.errors.NotFound:
        return False
    return True


@requires_docker
def test_what_a_killed_run_left_goes_and_caches_stay(client, left, scenario, tmp_path):
    container, volume, network = left
    nameless = next(mount["Name"] for mount in container.attrs["Mounts"] if mount["Destination"] == "/nameless")
    said = clean(scenario, tmp_path)
    assert said[("container", container.name)] == "removed"
    assert said[("network", network.name)] == "removed"
    assert said[("volume", volume.name)] == "kept"
    assert not exists(client.containers, container.id)
    assert not exists(client.networks, network.id)
    assert not exists(client.volumes, nameless)
    assert exists(client.volumes, volume.name)


@requires_docker
def test_caches_and_images_go_where_that_is_asked(client, left, built, scenario, tmp_path):
    _, volume, _ = left
    said = clean(scenario, tmp_path, "--volumes", "--images")
    assert said[("volume", volume.name)] == "removed"
    assert said[("image", built)] == "removed"
    assert not exists(client.volumes, volume.name)
    assert not exists(client.images, built)


@requires_docker
def test_a_dry_run_removes_nothing(client, left, built, scenario, tmp_path):
    container, volume, _ = left
    said = clean(scenario, tmp_path, "--dry-run", "--volumes", "--images")
    assert set(said.values()) == {"would be removed"}
    assert exists(client.containers, container.id)
    assert exists(client.volumes, volume.name)
    assert exists(client.images, built)


@requires_docker
def test_what_belongs_to_a_process_that_lives_is_not_left(client, tiny_image, run_id, scenario, tmp_path):
    labels = {RUN: run_id, SCENARIO: scenario, PID: creator()}
    container = client.containers.create(tiny_image, ["sleep", "600"], labels=labels)
    assert clean(scenario, tmp_path) == {}
    assert exists(client.containers, container.id)


@requires_docker
def test_nothing_left_is_said(scenario, tmp_path):
    done = nimbench("doctor", scenario, "--clean", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Nothing of ours is left with the container engine.\n")


def test_without_an_engine_there_is_nothing_to_ask(tmp_path):
    done = nimbench("doctor", "--clean", cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert done.returncode == 2
    assert "repair:" in done.stderr


def test_how_to_clean_needs_clean(tmp_path):
    done = nimbench("doctor", "--volumes", cwd=tmp_path)
    assert done.returncode == 2
    assert "--clean" in done.stderr


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("nimbench/demo-custom:built", True),
        ("127.0.0.1:5000/nimbench/demo-custom:1", True),
        ("registry.example/nimbench/demo-custom:1", True),
        ("someone/nimbench:1", False),
        ("someone/nimbench/x:1", False),
        ("nimbench:1", False),
        ("nimbench-tests/tiny:1", False),
        ("ubuntu:24.04", False),
    ],
)
def test_only_names_in_our_folder_are_ours(name, own):
    assert is_own_name(name) is own

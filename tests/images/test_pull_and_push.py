"""Images go to a real registry with a password and come back, layer by layer, with Docker's own engine."""

from __future__ import annotations

import contextlib
import io
import secrets
from pathlib import Path

import docker
import pytest

from bench.errors import ArmError, PrerequisiteError
from bench.images.pull import image_facts, pull_image, remove_image
from bench.images.push import push_image
from bench.images.registry import resolve
from bench.vocabulary import FailureKind
from tests.dockerside import requires_docker
from tests.registry import PASSWORD, PrivateRegistry, open_registry, private_registry

__all__ = ["open_registry", "private_registry"]
pytestmark = [requires_docker, pytest.mark.slow]  # seconds of real builds and transfers
NOWHERE = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def two_layers(docker_engine: docker.DockerClient, tiny_image: str):
    """An image of two layers that no other image has, removed with its names after the tests."""
    text = f"FROM {tiny_image}\nRUN dd if=/dev/urandom of=/noise bs=1024 count=3000 && echo {secrets.token_hex(4)}\n"
    image, _ = docker_engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True, forcerm=True)
    yield image.id
    with contextlib.suppress(docker.errors.ImageNotFound):
        docker_engine.images.remove(image.id, force=True)


@pytest.fixture(scope="module")
def pushed(two_layers: str, private_registry: PrivateRegistry):
    """(reference, record of the push)."""
    reference = f"{private_registry.address}/team/app:1.0"
    return reference, push_image(two_layers, reference, arm="custom", environ=private_registry.environ)


def test_push_gives_the_digest_and_counts_layers(pushed, two_layers, private_registry):
    reference, record = pushed
    assert (record.reference, record.layers_pushed, record.layers_present) == (reference, 2, 0)
    again = push_image(two_layers, reference, arm="custom", environ=private_registry.environ)
    assert (again.digest, again.layers_pushed, again.layers_present) == (record.digest, 0, 2)


@pytest.mark.parametrize("form", ["{name}:1.0", "{name}@{digest}", "{name}:1.0@{digest}"])
def test_removed_image_comes_back_with_times_of_every_layer(pushed, private_registry, client, form):
    reference, sent = pushed
    remove_image(f"{reference}@{sent.digest}", client=client)
    wanted = form.format(name=reference.removesuffix(":1.0"), digest=sent.digest)
    facts, record = pull_image(wanted, arm="custom", environ=private_registry.environ)
    assert (facts.reference, facts.digest) == (wanted, sent.digest)
    assert facts.layers == 2
    assert not record.anonymous
    layers = [layer for layer in record.layers if not layer.already_present]
    assert layers
    for layer in layers:
        times = (layer.download_start_s, layer.download_end_s, layer.extract_start_s, layer.extract_end_s)
        assert None not in times
        assert list(times) == sorted(times)
        assert 0 < times[-1] <= record.wall_s
    assert record.downloaded_s == max(layer.download_end_s for layer in layers)
    resolved = resolve(reference, environ=private_registry.environ)
    assert facts.wire_bytes == resolved.wire_bytes
    assert {layer.bytes for layer in layers} <= {size for _, size in resolved.layers}
    assert image_facts(client, wanted).id == facts.id


def test_image_that_is_here_needs_no_layer(pushed, private_registry):
    reference, sent = pushed
    pull_image(reference, arm="custom", environ=private_registry.environ)
    facts, record = pull_image(reference, arm="custom", environ=private_registry.environ)
    assert facts.digest == sent.digest
    assert record.downloaded_s is None


def test_login_refused_not_found_and_unreachable_are_told_apart(pushed, private_registry, tmp_path):
    reference, _ = pushed
    wrong = private_registry.docker_config.parent / "wrong"
    wrong.mkdir(exist_ok=True)
    (wrong / "config.json").write_text(
        (private_registry.docker_config / "config.json").read_text().replace('"auth": "', '"auth": "AAAA')
    )
    cases = [
        (reference, {"DOCKER_CONFIG": str(private_registry.no_login)}, FailureKind.AUTH, "none is known here"),
        (reference, {"DOCKER_CONFIG": str(wrong)}, FailureKind.AUTH, str(wrong)),
        (f"{private_registry.address}/team/app:2.0", private_registry.environ, FailureKind.IMAGE_NOT_FOUND, "2.0"),
        (f"{private_registry.address}/no/such:1", private_registry.environ, FailureKind.IMAGE_NOT_FOUND, "no/such"),
        ("127.0.0.1:9/no/registry:1", {"HOME": str(tmp_path)}, FailureKind.DOWNLOAD, "refused"),
    ]
    for name, environ, kind, words in cases:
        with pytest.raises(ArmError) as caught:
            pull_image(name, arm="custom", environ=environ)
        assert caught.value.kind is kind, str(caught.value)
        assert words in str(caught.value)
        assert "custom" in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_push_without_a_login_is_refused(two_layers, private_registry, client):
    reference = f"{private_registry.address}/team/refused:1"
    with pytest.raises(ArmError) as caught:
        push_image(two_layers, reference, arm="custom", environ={"DOCKER_CONFIG": str(private_registry.no_login)})
    assert caught.value.kind is FailureKind.AUTH
    client.api.remove_image(reference)


def test_open_registry_sees_no_login(two_layers, open_registry, tmp_path: Path, client):
    reference = f"{open_registry.address}/app:1"
    push_image(two_layers, reference, arm="custom", environ={"HOME": str(tmp_path)})
    _, record = pull_image(reference, arm="custom", environ={"HOME": str(tmp_path)})
    assert record.anonymous
    client.api.remove_image(reference)


def test_image_that_a_container_or_another_name_holds_is_not_removed(tiny_image, client):
    client.api.tag(tiny_image, "127.0.0.1:9/held", tag="1")
    with pytest.raises(PrerequisiteError, match="other names: nimbench-tests/tiny"):
        remove_image("127.0.0.1:9/held:1", client=client)
    assert image_facts(client, "127.0.0.1:9/held:1").id == tiny_image  # its tag is back
    client.api.remove_image("127.0.0.1:9/held:1")
    container = client.containers.create(tiny_image, ["true"])
    name = client.images.get(tiny_image).tags[0]
    try:
        with pytest.raises(PrerequisiteError, match="held by a container"):
            remove_image(name, client=client)
    finally:
        container.remove()
    assert image_facts(client, name).id == tiny_image


def test_image_that_is_not_here_is_named(client):
    with pytest.raises(ArmError) as caught:
        image_facts(client, f"127.0.0.1:9/no/such@{NOWHERE}")
    assert caught.value.kind is FailureKind.IMAGE_NOT_FOUND
    remove_image("127.0.0.1:9/no/such:1", client=client)  # nothing to take away is no error

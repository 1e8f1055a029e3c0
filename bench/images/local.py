"""Images on this host: what the engine says of one, and its removal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import docker.errors

from bench.container import ImageFacts
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.errors import ArmError, InputError, PrerequisiteError
from bench.images.manifest import environment, part, texts, words
from bench.images.reference import Reference, parse_reference
from bench.vocabulary import FailureKind


def image_facts(client: Any, reference: str) -> ImageFacts:
    """By reference or id; IMAGE_NOT_FOUND where the engine has none of that name."""
    name = _name(reference)
    try:
        found = client.api.inspect_image(name.exact if name else reference)
    except docker.errors.ImageNotFound as error:
        raise ArmError(
            FailureKind.IMAGE_NOT_FOUND, f"{reference}: it is not on this host", repair=f"docker pull {reference}"
        ) from error
    config = part(found, "Config")
    return ImageFacts(
        reference=reference,
        id=str(found["Id"]),
        digest=_digest(found, name),
        entrypoint=words(config.get("Entrypoint")),
        cmd=words(config.get("Cmd")),
        env=environment(config.get("Env")),
        labels=texts(config.get("Labels")),
        user=str(config.get("User") or ""),
        created_utc=str(found["Created"]) if found.get("Created") else None,
        disk_bytes=int(found["Size"]) if found.get("Size") else None,
        layers=len(part(found, "RootFS").get("Layers") or ()) or None,
    )


def remove_image(*references: str, client: Any | None = None) -> None:
    """Takes the image away with all names of it in these repositories, so that the next pull starts from nothing.

    Best by digest: a pull by digest leaves no tag.
    Never by force: other names and containers that hold the image are the user's, and are told instead.
    """
    names = [parse_reference(reference) for reference in references]
    repositories = {name.name for name in names}
    with engine_of(client) as engine, docker_errors(f"remove {references[0]}", None):
        for image_id in {found for name in names if (found := _id(engine, name.exact))}:
            _take_away(engine, image_id, repositories)


def forget_name(reference: str, client: Any | None = None) -> None:
    """Of an image that stays here by another name."""
    with engine_of(client) as engine, docker_errors(f"remove the name {reference}", None):
        _remove(engine, parse_reference(reference).exact)


@contextmanager
def engine_of(client: Any | None, **options: Any) -> Iterator[Any]:
    """The caller's client, or one of our own that is closed afterwards."""
    if client is not None:
        yield client
        return
    with closing(connect(**options)) as own:
        yield own


def _take_away(client: Any, image_id: str, repositories: set[str]) -> None:
    """All its names in these repositories; what cannot go keeps its tags."""
    found = client.api.inspect_image(image_id)
    tied = [*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ())]
    own = [name for name in tied if parse_reference(name).name in repositories]
    others = [name for name in tied if name not in own]
    try:
        for name in own:
            _remove(client, name)
        if _id(client, image_id):
            raise _held(own[0], "other names: " + ", ".join(others) if others else "an image that is built on it")
    except PrerequisiteError:
        for tag in [parse_reference(name) for name in own if "@" not in name]:
            client.api.tag(image_id, tag.name, tag=tag.tag)
        raise


def _remove(client: Any, name: str) -> None:
    try:
        client.api.remove_image(name)
    except docker.errors.ImageNotFound:
        return  # its last tag took the digests along
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
        raise _held(name, f"a container ({error.explanation})") from error


def _held(reference: str, by: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"{reference} cannot be removed: it is held by {by}",
        repair="remove that yourself, or set coldstart.image_absent: never",
    )


def _id(client: Any, name: str) -> str | None:
    try:
        return str(client.api.inspect_image(name)["Id"])
    except docker.errors.ImageNotFound:
        return None


def _digest(found: Mapping[str, Any], name: Reference | None) -> str | None:
    """The registry's digest under this name, or the only one that there is."""
    known = [parse_reference(text) for text in found.get("RepoDigests") or ()]
    own = {one.digest for one in known if name and one.name == name.name} or {one.digest for one in known}
    if name and name.digest in own:
        return name.digest
    return own.pop() if len(own) == 1 else None


def _name(reference: str) -> Reference | None:
    """None for an id, which no registry knows."""
    if reference.startswith("sha256:"):
        return None
    try:
        return parse_reference(reference)
    except InputError:
        return None

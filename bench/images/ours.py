"""The images that this suite built, pushed or made on this host; never one that was only pulled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import docker.errors

from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.labels import SCENARIO

_FOLDER = "nimbench"  # every name that the suite gives is NIMBENCH/… , in a registry REGISTRY/nimbench/…
_CONFLICT = 409  # a container, or another image, holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnImage:
    """One image with a name of ours, or with none left and our label."""

    id: str
    names: tuple[str, ...]  # ours alone: a name that a user gave is not touched
    scenario: str | None
    disk_bytes: int | None = None


def own_images() -> list[OwnImage]:
    """By name; the newest first among those that have none."""
    client = connect()
    try:
        with docker_errors("look for images of earlier runs", None):
            rows = client.api.images()
    finally:
        client.close()
    found = (_own(row) for row in rows)
    return sorted((image for image in found if image), key=lambda image: image.names)


def remove_own_images(images: Iterable[OwnImage]) -> dict[str, str]:
    """Image id -> why it stays, of those that could not be removed; never by force."""
    client, held = connect(), {}
    try:
        with docker_errors("remove images of earlier runs", None):
            for image in images:
                if reason := _remove(client.api, image):
                    held[image.id] = reason
    finally:
        client.close()
    return held


def _own(row: Any) -> OwnImage | None:
    tags = [name for name in row.get("RepoTags") or () if name != "<none>:<none>"]
    names = tuple(name for name in tags if is_own_name(name))
    scenario = (row.get("Labels") or {}).get(SCENARIO)
    if not names and (tags or scenario is None):
        return None
    return OwnImage(id=row["Id"], names=names, scenario=scenario, disk_bytes=row.get("Size"))


def is_own_name(name: str) -> bool:
    """`nimbench/x:1` and `registry:5000/nimbench/x:1`; not a user's own `someone/nimbench`."""
    folders = name.split("/")[:-1]
    registry = len(folders) > 1 and any(sign in folders[0] for sign in ".:")
    return folders[1:] == [_FOLDER] if registry else folders == [_FOLDER]


def _remove(api: Any, image: OwnImage) -> str | None:
    for name in image.names or (image.id,):
        try:
            api.remove_image(name)
        except docker.errors.ImageNotFound:
            continue
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
            return str(error.explanation)
    return None

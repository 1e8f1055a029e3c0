"""What crashed runs left with the container engine, found by our labels; nothing of a run that lives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import docker.errors

from bench.dockerhost.client import connect
from bench.dockerhost.creator import creator_lives
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.labels import PID, RUN, SCENARIO

CONTAINER, VOLUME, NETWORK = "container", "volume", "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing that carries our label, and whose creator is gone."""

    kind: str  # container | volume | network
    id: str
    name: str
    run: str | None
    scenario: str | None
    running: bool = False

    @property
    def is_kept(self) -> bool:
        """Named volumes hold weights and caches on purpose: they are told, not removed."""
        return self.kind == VOLUME


def find_leftovers() -> list[Leftover]:
    """Containers, then networks, then volumes."""
    client = connect()
    try:
        with docker_errors("look for what earlier runs left", None):
            return [*_containers(client.api), *_networks(client.api), *_volumes(client.api)]
    finally:
        client.close()


def remove_leftovers(leftovers: Iterable[Leftover], *, volumes: bool = False) -> list[Leftover]:
    """Those that were removed: all but the volumes that are kept, unless `volumes`. What is already gone counts too."""
    client = connect()
    removed = []
    try:
        with docker_errors("remove what earlier runs left", None):
            for leftover in leftovers:
                if leftover.is_kept and not volumes:
                    continue
                _remove(client.api, leftover)
                removed.append(leftover)
    finally:
        client.close()
    return removed


def _remove(api: Any, leftover: Leftover) -> None:
    try:
        if leftover.kind == CONTAINER:
            api.remove_container(leftover.id, force=True, v=True)
        elif leftover.kind == NETWORK:
            api.remove_network(leftover.id)
        else:
            api.remove_volume(leftover.name)
    except docker.errors.NotFound:
        return


def _containers(api: Any) -> list[Leftover]:
    rows = api.containers(all=True, filters={"label": RUN})
    return [
        _leftover(CONTAINER, row["Id"], str((row.get("Names") or [row["Id"]])[0]).lstrip("/"), labels, row["State"])
        for row in rows
        if not creator_lives((labels := row.get("Labels") or {}).get(PID))
    ]


def _networks(api: Any) -> list[Leftover]:
    rows = api.networks(filters={"label": RUN})
    return [
        _leftover(NETWORK, row["Id"], row["Name"], labels)
        for row in rows
        if not creator_lives((labels := row.get("Labels") or {}).get(PID))
    ]


def _volumes(api: Any) -> list[Leftover]:
    rows = api.volumes(filters={"label": RUN}).get("Volumes") or []
    return [_leftover(VOLUME, row["Name"], row["Name"], row.get("Labels") or {}) for row in rows]


def _leftover(kind: str, id_: str, name: str, labels: dict[str, str], state: str = "") -> Leftover:
    return Leftover(
        kind=kind, id=id_, name=name, run=labels.get(RUN), scenario=labels.get(SCENARIO),
        running=state in {"running", "restarting", "paused"},
    )  # fmt: skip

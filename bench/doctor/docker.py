"""What container arms ask of the container engine: an answer, a version, BuildKit, and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.dockerhost.client import connect, engine_facts
from bench.doctor.fact import Check, at_least, gib
from bench.errors import ArmError, PrerequisiteError
from bench.images.local import image_facts
from bench.model import Scenario

_DEFAULT_ROOT = "/var/lib/docker"
_CONTAINERD_ROOT = "/var/lib/containerd"  # where the images lie when Docker uses containerd's store
_ASK_AGAIN = "see the check of Docker, then ask again"


def ask_engine() -> Mapping[str, Any] | PrerequisiteError:
    """Facts of the engine, or why there are none."""
    try:
        client = connect()
    except PrerequisiteError as error:
        return error
    try:
        return engine_facts(client)
    finally:
        client.close()


def is_here(reference: str) -> bool:
    """Whether this host's engine has the image; False where no engine answers."""
    try:
        client = connect()
    except PrerequisiteError:
        return False
    try:
        return bool(image_facts(client, reference).id)
    except ArmError:
        return False
    finally:
        client.close()


def docker_note(engine: Mapping[str, Any] | PrerequisiteError) -> Check:
    """For a machine without a scenario: good to know only."""
    mute = isinstance(engine, PrerequisiteError)
    return Check(
        name="Docker",
        ok=not mute,
        found=_found(engine),
        expected="for container arms only",
        repair=(engine.repair or "") if isinstance(engine, PrerequisiteError) else "",
        needed=False,
    )


def check_docker(scenario: Scenario, engine: Mapping[str, Any] | PrerequisiteError) -> Iterator[Check]:
    """Every check of the engine. A mute one hides the rest, which is then said and not held against the host."""
    minimum = scenario.host.docker_min
    expected = f"Docker Engine {minimum} or newer" if minimum else "Docker Engine 20.10 or newer"
    if isinstance(engine, PrerequisiteError):
        yield Check(name="Docker", ok=False, found=_found(engine), expected=expected, repair=engine.repair or "")
    else:
        version = str(engine.get("docker_version") or "")
        yield Check(
            name="Docker",
            ok=minimum is None or at_least(version, minimum),
            found=_found(engine),
            expected=expected,
            repair="upgrade Docker Engine from Docker's own packages (docker-ce), or change host.docker_min",
        )
    if any(arm.build for arm in scenario.arms):
        yield _buildkit(mute=isinstance(engine, PrerequisiteError))
    yield from _disks(scenario, {} if isinstance(engine, PrerequisiteError) else engine)


def _found(engine: Mapping[str, Any] | PrerequisiteError) -> str:
    if isinstance(engine, PrerequisiteError):
        return f"{engine.problem} ({engine.got})" if engine.got else engine.problem
    store = "containerd's store" if engine.get("docker_containerd_store") else engine.get("docker_storage_driver")
    return f"{engine.get('docker_version')}, {store}" + (", rootless" if engine.get("docker_rootless") else "")


def _buildkit(*, mute: bool) -> Check:
    from bench.images.buildkit import find_client  # it builds: only where an arm does

    expected = "a docker client that builds FROM scratch with BuildKit"
    if mute:
        found = "not looked at: Docker does not answer"
        return Check(name="BuildKit", ok=False, found=found, expected=expected, repair=_ASK_AGAIN, needed=False)
    try:
        found, repair, ok = find_client().version, "", True
    except (PrerequisiteError, ArmError) as error:
        found, repair, ok = str(error).splitlines()[0], error.repair or "", False
    return Check(name="BuildKit", ok=ok, found=found, expected=expected, repair=repair)


def _disks(scenario: Scenario, engine: Mapping[str, Any]) -> Iterator[Check]:
    """Images and volumes may lie on two file systems; each must have the room that the scenario asks for."""
    wanted = scenario.host.disk_min_bytes
    root = Path(str(engine.get("docker_root") or _DEFAULT_ROOT))
    images = Path(_CONTAINERD_ROOT) if engine.get("docker_containerd_store") else root
    places = [(_nearest(images), f"images in {images}"), (_nearest(root / "volumes"), f"volumes in {root / 'volumes'}")]
    if places[0][0].stat().st_dev == places[1][0].stat().st_dev:
        places = [(places[0][0], f"images and volumes in {images}")]
    for place, what in places:
        free = shutil.disk_usage(place).free
        yield Check(
            name=f"disk for {what}",
            ok=wanted is None or free >= wanted,
            found=f"{gib(free)} free",
            expected=f"{gib(wanted)} free" if wanted else "the scenario names no minimum (host.disk_min)",
            repair="`docker system df` shows what takes it and `nimbench doctor --clean --images` what of it is ours; "
            "or move Docker's data-root to a larger disk",
        )


def _nearest(path: Path) -> Path:
    """The deepest folder on the way that this user can see: Docker's own are closed to most."""
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK))

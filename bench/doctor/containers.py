"""What one container arm asks of this machine: secrets by name, files to build from, folders to mount."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from string import Template

from bench.container import Build, Mount
from bench.doctor.fact import Check, absent_modules
from bench.doctor.locks import wheelhouse_check
from bench.errors import InputError
from bench.model import Arm, Scenario


def container_checks(at: str, arm: Arm, scenario: Scenario) -> Iterator[Check]:
    """Everything but the image itself and the port."""
    if arm.build and arm.build.base_made and not absent_modules(("docker",)):
        yield _made(at, arm.build.base_made, scenario)
    yield from (_secret(at, name, "prepare") for name in arm.secrets.prepare_required)
    yield from (_secret(at, name, "the measured start", needed=False) for name in arm.secrets.run)
    if arm.build:
        yield from _build(at, arm.build)
    yield from (_mount(at, mount, scenario) for mount in arm.mounts if mount.path)


def _secret(at: str, name: str, step: str, *, needed: bool = True) -> Check:
    """Only whether it is there: what it holds is read when a container is created."""
    is_set = bool(os.environ.get(name))
    return Check(
        name=f"{at}: {name}",
        ok=is_set,
        found="set" if is_set else "not set",
        expected=f"an environment variable with the secret that {step} needs",
        repair=f"export {name}=… in the shell that starts the run (never in scenario.yaml)",
        needed=needed,
    )


def _build(at: str, build: Build) -> Iterator[Check]:
    dockerfile = Path(build.context, build.dockerfile)
    yield Check(
        name=f"{at}: Dockerfile",
        ok=dockerfile.is_file(),
        found=str(dockerfile) if dockerfile.is_file() else f"no {dockerfile}",
        expected="a Dockerfile in build.context",
        repair="write it, or fix build.context and build.dockerfile",
    )
    if build.wheelhouse:
        yield wheelhouse_check(at, Path(build.wheelhouse))
    yield from (_secret(at, name, "the build") for name in build.secrets)


def _made(at: str, name: str, scenario: Scenario) -> Check:
    """The image need not be there yet, but its recipe."""
    from bench.images.made import recipe_of  # Docker's SDK: only this needs it

    expected = "a recipe in scenarios/_images"
    try:
        found, ok, repair = str(recipe_of(name, scenario.folder)), True, ""
    except InputError as error:
        found, ok, repair = error.problem, False, "change build.base.made, or write the recipe"
        expected = f"one of {error.expected}"
    return Check(name=f"{at}: base {name}", ok=ok, found=found, expected=expected, repair=repair)


def _mount(at: str, mount: Mount, scenario: Scenario) -> Check:
    """Docker makes no folder for such a mount. What the plan fills in, a made model, appears later."""
    path = Template(mount.path or "").safe_substitute(folder=scenario.folder)
    later = "${" in path
    return Check(
        name=f"{at}: mount {mount.target}",
        ok=later or Path(path).exists(),
        found=f"{path}, made before the first launch" if later else path if Path(path).exists() else f"no {path}",
        expected="a folder or file of this host",
        repair="make it, or change the mount's `path`",
    )

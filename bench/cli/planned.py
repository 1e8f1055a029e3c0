"""What `nimbench plan` says: each arm's steps as lines to paste, every mode's time, and what is left open."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.container import Build, Prepared
from bench.dockerhost.line import docker_run_line
from bench.engines.base import Command
from bench.errors import InputError, PrerequisiteError
from bench.model import Arm, Plan, Scenario
from bench.plan import launch_spec, make_plan, model_path
from bench.plan.containers import GPU_PLACEHOLDER, PROFILE_PLACEHOLDER, built_tag, prepare_spec
from bench.runtimes.containers import container_arms
from bench.runtimes.placement import place
from bench.scenario import load_scenario
from bench.scenario.lock import BASE_IMAGE, unpinned
from bench.scenario.modes import PRESETS
from bench.secrets import Redactor
from bench.vocabulary import ImageAbsent


def placed_here(scenario: Scenario) -> Prepared:
    """GPUs and processors of this host where it has those of the scenario; else they stay placeholders."""
    try:
        places = place(scenario)
    except PrerequisiteError:
        return Prepared()
    return Prepared(placement=places[0], places=places if len(places) > 1 else ())


def arm_facts(scenario: Scenario, plan: Plan, arm: Arm, prepared: Prepared) -> dict[str, Any]:
    """One arm's steps in order, secrets taken out."""
    facts: dict[str, Any] = {"engine": arm.engine, "side": arm.side, "runtime": arm.runtime, "notice": arm.notice}
    facts |= {"ports": dict(plan.ports[arm.name]), "url": arm.url, "image": arm.image}
    # The run uses a folder inside of its own; this one is a place where a user may try the commands by hand.
    scratch = str(Path(tempfile.gettempdir(), f"nimbench-{scenario.name}-{arm.name}"))
    spec = launch_spec(scenario, arm.name, plan, scratch=scratch, prepared=prepared)
    facts |= {"url": spec.url, "ready": f"{spec.url}{spec.ready_path}", "secrets": _secrets(arm)}
    if spec.container is not None:
        before = list(_before_the_first_launch(scenario, arm, prepared))
        line = docker_run_line(spec.container, Redactor.knowing(spec.container.env))
        return facts | {"before": before, "commands": [{"name": "engine", "line": line, "files": {}}]}
    commands = [
        {"name": part.name, "line": _line(part), "files": {f"{scratch}/{n}": t for n, t in part.files.items()}}
        for part in spec.commands
    ]
    return facts | {"before": [], "commands": commands}


def _before_the_first_launch(scenario: Scenario, arm: Arm, prepared: Prepared) -> Iterator[dict[str, str]]:
    """How the image comes here, and the step that downloads."""
    if arm.image:
        yield {"name": "pull", "line": shlex.join(["docker", "pull", arm.image])}
    if arm.build:
        yield {"name": "build", "line": _build_line(scenario, arm, arm.build)}
    if arm.prepare:
        spec = prepare_spec(scenario, arm, model_path(scenario, arm), prepared)
        yield {"name": "prepare", "line": docker_run_line(spec, Redactor.knowing(spec.env))}


def _build_line(scenario: Scenario, arm: Arm, build: Build) -> str:
    """Without the wheels and files that the run lays beside a copy of the Dockerfile."""
    base = build.base_image or (f"image-of-{build.base_arm or build.base_made}" if _has_own_base(build) else None)
    given = {**build.args, **({BASE_IMAGE: base} if base else {})}
    clean = Redactor.knowing(given)
    words = [
        *("env", "DOCKER_BUILDKIT=1", "docker", "build", f"--tag={built_tag(scenario, arm)}"),
        f"--file={Path(build.context, build.dockerfile)}",
        *([f"--target={build.target}"] if build.target else []),
        *(f"--build-arg={name}={value}" for name, value in sorted(clean.env(given).items())),
        *(f"--secret=id={name},env={name}" for name in build.secrets),
        build.context,
    ]
    return clean.text(shlex.join(words))


def _has_own_base(build: Build) -> bool:
    return bool(build.base_arm or build.base_made)


def _secrets(arm: Arm) -> dict[str, list[str]]:
    """By name: values are read from the environment when a container is created, and shown nowhere."""
    secrets = arm.secrets
    named = {
        "build": arm.build.secrets if arm.build else (),
        "prepare_required": secrets.prepare_required,
        "prepare_optional": secrets.prepare_optional,
        "run": secrets.run,
    }
    return {step: list(names) for step, names in named.items() if names}


def _line(part: Command) -> str:
    clean = Redactor({**os.environ, **part.env})  # a secret written into the scenario is one as well
    words = [f"{name}={value}" for name, value in sorted(clean.env(part.env).items())]
    return clean.text(shlex.join([*(["env", *words] if words else []), *part.argv]))


def mode_facts(name: str, sets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What `run --mode` would take for every mode; one that contradicts the scenario says how."""
    modes: dict[str, dict[str, Any]] = {}
    for mode in PRESETS:
        try:
            scenario = load_scenario(name, mode=mode, sets=sets)
        except InputError as error:
            modes[mode] = {"problem": error.problem.splitlines()[0]}
            continue
        plan = make_plan(scenario)
        facts = {"blocks": scenario.launches.blocks, "launches": len(plan.launches)}
        modes[mode] = facts | {"expected_s": plan.expected_s, "disk_bytes": plan.disk_bytes}
    return modes


def open_points(scenario: Scenario, arms: dict[str, dict[str, Any]]) -> list[str]:
    """What the lines cannot say yet, and what will."""
    lines = " ".join(part["line"] for arm in arms.values() for part in (*arm["before"], *arm["commands"]))
    points = []
    if scenario.gpu and GPU_PLACEHOLDER in lines:
        gpus = f"{scenario.gpu.count} × {scenario.gpu.name}"
        points.append(f"{GPU_PLACEHOLDER}: the UUID of a GPU, chosen on a host that has {gpus}; this one has not")
    if scenario.host.server_cpus or scenario.host.client_cpus:
        server, client = scenario.host.server_cpus or "all", scenario.host.client_cpus or "all"
        how = "--cpuset-cpus in the lines above" if "--cpuset-cpus" in lines else "known on that host"
        points.append(f"processors: server on {server}, load on {client} ({how}); the same for every arm")
    if PROFILE_PLACEHOLDER in lines:
        points.append(
            f"{PROFILE_PLACEHOLDER}-…: the profile's id, read from the image's own list before the first launch"
        )
    if loose := _unpinned(scenario):
        names = "; ".join(f"{key}: {reference}" for key, reference in loose)
        points.append(f"not pinned, `run` will ask for `nimbench pin {scenario.name}` first: {names}")
    built = [arm.name for arm in scenario.arms if arm.build]
    if built and scenario.coldstart.image_absent is ImageAbsent.EACH:
        points.append(
            "before each launch the arm's image is built from nothing, pushed, removed and pulled, and gone after it. "
            "Docker's whole build cache goes each time, also that of other projects. The estimate has 35 s a launch "
            "for it, which a small image takes with 2 cores; with each gigabyte it takes longer"
        )
    elif built:
        points.append(
            f"built before the first launch: the image of {', '.join(built)}; the lines name its tag, runs its id"
        )
    return points


def _unpinned(scenario: Scenario) -> list[tuple[str, str]]:
    """References without a digest; only container arms have any."""
    if not container_arms(scenario):
        return []
    return unpinned(scenario)

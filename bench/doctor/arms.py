"""What the arms of a scenario ask of this machine: engines, programs, files, ports."""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench.doctor.containers import container_checks
from bench.doctor.fact import Check, absent_modules
from bench.doctor.locks import packages_check
from bench.engines import get_engine
from bench.engines.base import Command
from bench.errors import InputError
from bench.model import Arm, Plan, Scenario
from bench.runtimes.models import model_location
from bench.runtimes.process import child_env
from bench.vocabulary import RuntimeKind

_CONNECT_S = 3.0
_PACKAGES_OF_BINARIES = {"nginx": "apt-get install nginx-light"}


def check_arms(scenario: Scenario, plan: Plan | None) -> Iterator[Check]:
    """Every check of the model's files, then those of each arm."""
    yield from _model_files(scenario)
    for arm in scenario.arms:
        yield from _arm(arm, scenario)
        ports = plan.ports[arm.name].values() if plan else ()
        yield from (_port(arm.name, port, scenario) for port in ports)


def _model_files(scenario: Scenario) -> Iterator[Check]:
    mounted = scenario.model.weights is not None  # a volume brings them into containers
    reads_files = {RuntimeKind.PROCESS} if mounted else {RuntimeKind.PROCESS, RuntimeKind.DOCKER}
    local = [arm for arm in scenario.arms if arm.runtime in reads_files]
    if scenario.model.path is not None and local:
        path = Path(scenario.folder, scenario.model.path)
        yield _file("model.path", path, "the model's file or folder", "fix model.path, or put the files there")
    if scenario.model.made is not None:
        yield from (_made(scenario, arm) for arm in local)
    if scenario.model.tokenizer != "server":
        path = Path(scenario.folder, scenario.model.tokenizer)
        yield _file("model.tokenizer", path, "a tokenizer.json", "fix model.tokenizer, or use `tokenizer: server`")


def _made(scenario: Scenario, arm: Arm) -> Check:
    """A made model need not be there yet, but there must be a recipe for the arm's format."""
    try:
        place = model_location(scenario.model, scenario.folder, get_engine(arm.engine).model_format)
    except InputError as error:
        expected, repair = f"one of {error.expected}", error.repair or "change model.made"
        return Check(name="model.made", ok=False, found=error.problem, expected=expected, repair=repair)
    found = str(place) if place and place.exists() else "will be made at the first run"
    return Check(name=f"model for arm {arm.name}", ok=True, found=found, expected="a model that can be made", repair="")


def _file(name: str, path: Path, expected: str, repair: str) -> Check:
    ok = path.exists()
    return Check(name=name, ok=ok, found=str(path) if ok else f"no {path}", expected=expected, repair=repair)


def _arm(arm: Arm, scenario: Scenario) -> Iterator[Check]:
    at = f"arm {arm.name}"
    if arm.runtime is RuntimeKind.DOCKER:
        yield from container_checks(at, arm, scenario)
        return
    if arm.runtime is RuntimeKind.ENDPOINT:
        yield _endpoint(at, arm.url or "")
        return
    if arm.packages:
        yield packages_check(at, Path(arm.packages))
    elif arm.command is None:
        yield _engine_modules(at, arm)
    path = child_env(arm, Command(name="engine", argv=()))["PATH"]  # where the runtime will look
    for program in (*(arm.command or ())[:1], *(sidecar.command[0] for sidecar in arm.also)):
        if "${" not in program:
            yield _binary(at, program, path)


def _engine_modules(at: str, arm: Arm) -> Check:
    modules = get_engine(arm.engine).modules
    absent = absent_modules(modules)
    repair = "give the arm `packages:`, a hash-locked requirements file of its own environment"
    return Check(
        name=f"{at}: engine {arm.engine}",
        ok=not absent,
        found=f"not installed in nimbench's own environment: {', '.join(absent)}" if absent else "installed",
        expected=f"Python can import {', '.join(modules) or 'nothing'}",
        repair="in nimbench's checkout: pip install '.[demo]'" if arm.engine == "llamacpp" else repair,
    )


def _binary(at: str, program: str, path: str) -> Check:
    place = shutil.which(program, path=path)
    return Check(
        name=f"{at}: program {program}",
        ok=place is not None,
        found=place or "not on the PATH",
        expected=f"{program} can be started",
        repair=_PACKAGES_OF_BINARIES.get(Path(program).name, f"install {program}, or write its full path"),
    )


def _port(arm: str, port: int, scenario: Scenario) -> Check:
    taken = False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
    other = scenario.launches.port_base + 100
    return Check(
        name=f"arm {arm}: port {port}",
        ok=not taken,
        found="in use by another program" if taken else "free",
        expected=f"127.0.0.1:{port} is free",
        repair=f"`ss -ltnp` names that program: end it, or plan other ports with --set launches.port_base={other}",
    )


def _endpoint(at: str, url: str) -> Check:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _CONNECT_S).close()
        found = "answers"
    except OSError as error:
        found = f"no connection: {error.strerror or error}"
    ok = found == "answers"
    return Check(
        name=f"{at}: {url}", ok=ok, found=found, expected="a server that runs", repair="start it, or fix `url`"
    )

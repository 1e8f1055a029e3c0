"""Runs a container to its end: steps that prepare, ask or check."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import docker
import docker.errors
import requests.exceptions

from bench.container import ContainerSpec
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.line import docker_run_line
from bench.errors import ArmError
from bench.runtimes.docker_create import create_container
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

OUTPUT_BYTES = 8 * 1024 * 1024  # the last of it
_LATE = (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How it ended."""

    exit_code: int
    output: str  # stdout and stderr in the order of their lines, redacted; the last OUTPUT_BYTES
    oom: bool
    wall_s: float


def run_once(
    spec: ContainerSpec, *, arm: str, timeout_s: float, on_line: Callable[[str], None] | None = None
) -> Finished:
    """Create, start, wait, read, remove. ArmError when it cannot be started, or is not done in time."""
    redactor = Redactor.knowing(spec.env)
    line = docker_run_line(spec, redactor)
    client, container, begin = connect(), None, time.monotonic()
    try:
        with docker_errors("run a step in a container", arm):
            container = create_container(client, spec)
            client.api.start(container)
            if on_line is not None:
                _tell(client, container, redactor, on_line)
            code = _wait(client, container, timeout_s - (time.monotonic() - begin), arm, line)
            state = client.api.inspect_container(container)["State"]
            output = client.api.logs(container, stdout=True, stderr=True)[-OUTPUT_BYTES:].decode(errors="replace")
        return Finished(
            exit_code=code,
            output=redactor.text(output),
            oom=bool(state.get("OOMKilled")),
            wall_s=time.monotonic() - begin,
        )
    finally:
        if container is not None:
            with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
                client.api.remove_container(container, force=True, v=True)
        client.close()


def _wait(client: docker.DockerClient, container: str, timeout_s: float, arm: str, line: str) -> int:
    try:
        return int(client.api.wait(container, timeout=max(1.0, timeout_s))["StatusCode"])
    except _LATE as error:
        client.ping()  # an engine that is gone is another error than a step that hangs
        raise ArmError(
            FailureKind.TIMEOUT,
            f"arm {arm!r}: a step in a container was not done after {timeout_s:.0f} s",
            repair="Run it by hand and see where it stays.",
            command=line,
        ) from error


def _tell(client: docker.DockerClient, container: str, redactor: Redactor, on_line: Callable[[str], None]) -> None:
    """Each line as it comes, until the output ends."""
    rest = b""
    for data in client.api.logs(container, stdout=True, stderr=True, stream=True, follow=True):
        *lines, rest = (rest + data).split(b"\n")
        for one in lines:
            on_line(redactor.text(one.decode(errors="replace").rstrip("\r")))

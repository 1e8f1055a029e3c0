"""An arm as one container of this host's engine: created, watched, stopped and removed by its id."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from bench.clock import now_ns
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.line import docker_run_line
from bench.engines.base import LaunchSpec
from bench.model import Arm
from bench.runtimes.base import Exit
from bench.runtimes.docker_create import create_container
from bench.runtimes.docker_log import LogFollower, parse_instant_ns
from bench.runtimes.log import read_tail
from bench.runtimes.process import require_free_port
from bench.secrets import Redactor
from bench.vocabulary import Mark

GRACE_S = 10  # between SIGTERM and SIGKILL: an engine frees GPU memory in this time
LOG_END_S = 5.0
SIGNAL_BASE = 128  # an exit code above it is a signal, by the shells' convention
LONGEST_WAIT_S = 7 * 24 * 3600
_GONE = (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


def start_container(spec: LaunchSpec, arm: Arm, *, t0_ns: int, log_path: Path) -> DockerArm:
    """Create and start; returns when the engine says that it runs, else ArmError."""
    assert spec.container is not None
    require_free_port(spec.url)
    log_path.touch()
    client = connect()
    created: str | None = None
    try:
        with docker_errors("start its container", arm.name):
            created = create_container(client, spec.container)
            created_ns = now_ns()
            client.api.start(created)
            return DockerArm(client, created, spec, arm, t0_ns=t0_ns, log_path=log_path, created_ns=created_ns)
    except BaseException:
        if created is not None:
            with contextlib.suppress(*_GONE):
                client.api.remove_container(created, force=True, v=True)
        client.close()
        raise


class DockerArm:
    """The Running of an arm in a container. `layer_bytes` is known after stop()."""

    def __init__(
        self, client: docker.DockerClient, container: str, spec: LaunchSpec, arm: Arm, *, t0_ns: int, log_path: Path,
        created_ns: int,
    ) -> None:  # fmt: skip
        assert spec.container is not None
        self.url, self.log_path, self.container_id = spec.url, log_path, container
        self.layer_bytes: int | None = None
        self._client, self._spec, self._arm = client, spec.container, arm
        self._redactor = Redactor.knowing(arm.env)
        self._marks: dict[Mark, int] = {Mark.CREATED: created_ns}
        self._exited: Exit | None = None
        self._stopped = False
        self._log = LogFollower(
            client, container, t0_ns=t0_ns, path=log_path, redactor=self._redactor,
            on_first=self._spoke,
        )  # fmt: skip
        state = self._inspect()
        self.image_id = str(state["Image"])
        self.devices: tuple[str, ...] = self._spec.gpus
        started_ns = parse_instant_ns(str(state["State"].get("StartedAt", "")))
        self._marks[Mark.PROCESS_STARTED] = (
            self._log.wall_to_monotonic_ns(started_ns) if started_ns is not None else now_ns()
        )
        self._pid = int(state["State"].get("Pid") or 0)
        self._watch = threading.Thread(target=self._wait, daemon=True, name="docker-wait")
        self._watch.start()

    def pids(self) -> Mapping[str, int]:
        """The container's first process as this host sees it; empty where it does not (Docker in a virtual machine)."""
        return {"engine": self._pid} if self._pid and Path(f"/proc/{self._pid}").exists() else {}

    def exited(self) -> Exit | None:
        """How it ended by itself, or that the container engine went away; never waits."""
        return self._exited

    def marks_ns(self) -> Mapping[Mark, int]:
        """CREATED, PROCESS_STARTED (by Docker's own clock, converted) and FIRST_LOG."""
        return dict(self._marks)

    def log_tail(self, lines: int = 12) -> tuple[str, ...]:
        """The last log lines, redacted when they were written."""
        if self._exited is not None:
            self._log.join(LOG_END_S)  # its last words
        return read_tail(self.log_path, lines)

    def paste(self) -> tuple[str, ...]:
        """The `docker run` line."""
        return (docker_run_line(self._spec, self._redactor),)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; the size of its layer is read before it is removed with its nameless volumes."""
        if self._stopped:
            return
        self._stopped = True
        with contextlib.suppress(*_GONE):  # an engine that is gone holds nothing that we could stop
            self._client.api.stop(self.container_id, timeout=GRACE_S)
            self._log.join(LOG_END_S)
            self._watch.join(LOG_END_S)
            api = self._client.api  # inspect_container of the SDK cannot ask for sizes
            size = api._get(api._url("/containers/{0}/json", self.container_id), params={"size": 1}).json()
            self.layer_bytes = size.get("SizeRw")
        with contextlib.suppress(*_GONE):
            self._client.api.remove_container(self.container_id, force=True, v=True)
        self._client.close()

    def _spoke(self, t_ns: int) -> None:
        self._marks.setdefault(Mark.FIRST_LOG, t_ns)

    def _inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.api.inspect_container(self.container_id)
        return found

    def _wait(self) -> None:
        """In a thread: one call that returns when the container ends."""
        try:
            self._client.api.wait(self.container_id, timeout=LONGEST_WAIT_S)
            state = self._inspect()["State"]
        except _GONE as error:
            if not self._stopped:
                self._exited = Exit(command="engine", code=None, signal=None, gone=True, error=type(error).__name__)
            return
        if self._stopped:
            return
        self._exited = exit_of(state)


def exit_of(state: Mapping[str, Any]) -> Exit:
    """Docker's State of an ended container."""
    code = int(state.get("ExitCode") or 0)
    signal = code - SIGNAL_BASE if code > SIGNAL_BASE else None
    return Exit(
        command="engine",
        code=None if signal else code,
        signal=signal,
        oom=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or "") or None,
    )

"""An arm as one container of this host's engine: created, watched, stopped and removed by its id."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors

from bench.clock import now_ns, since_s
from bench.container import ContainerSpec
from bench.dockerhost.client import connect
from bench.dockerhost.errors import DOCKER_FAULTS, docker_errors, said_by
from bench.dockerhost.line import docker_run_line
from bench.engines.base import LaunchSpec
from bench.model import Arm
from bench.runtimes.base import Exit
from bench.runtimes.docker_create import create_container, redactor_of
from bench.runtimes.docker_log import LogFollower
from bench.runtimes.docker_watch import Watch
from bench.runtimes.log import read_tail
from bench.runtimes.process import require_free_port
from bench.runtimes.walltime import parse_instant_ns, to_monotonic_ns
from bench.secrets import Redactor
from bench.vocabulary import Mark

GRACE_S = 10  # between SIGTERM and SIGKILL: an engine frees GPU memory in this time
THREAD_END_S = 5.0  # their streams end with the container
STOP_TIMEOUT_S = 60  # an engine that hangs holds the end of a launch up no longer


def start_container(spec: LaunchSpec, arm: Arm, *, t0_ns: int, log_path: Path) -> DockerArm:
    """Create and start; returns when the engine says that it runs, else ArmError."""
    assert spec.container is not None
    for url in {spec.url, spec.metrics_url or spec.url}:
        require_free_port(url)
    log_path.touch()
    redactor = redactor_of(spec.container, arm.env)
    line = docker_run_line(spec.container, redactor)
    client, container = connect(), None
    try:
        with docker_errors("start its container", arm.name, command=line):
            container = create_container(client, spec.container)
            client.api.start(container)
            facts = client.api.inspect_container(container)
            return DockerArm(client, spec.container, facts, (spec.url, log_path, t0_ns), redactor)
    except BaseException:
        if container is not None:
            with contextlib.suppress(*DOCKER_FAULTS):  # the first error is the one to tell
                client.api.remove_container(container, force=True, v=True)
        client.close()
        raise


class DockerArm:
    """The Running of an arm in a container. `layer_bytes` is known after stop()."""

    def __init__(
        self,
        client: Any,
        spec: ContainerSpec,
        facts: Mapping[str, Any],
        place: tuple[str, Path, int],
        redactor: Redactor,
    ) -> None:
        self.url, self.log_path, self._t0_ns = place
        self.container_id, self.image_id = str(facts["Id"]), str(facts["Image"])
        self.devices: tuple[str, ...] = spec.gpus
        self.layer_bytes: int | None = None
        self._client, self._spec, self._redactor, self._is_removed = client, spec, redactor, False
        self._pid = int(facts["State"].get("Pid") or 0)
        instants = {Mark.CREATED: facts["Created"], Mark.PROCESS_STARTED: facts["State"]["StartedAt"]}
        walls = {mark: parse_instant_ns(str(text)) for mark, text in instants.items()}
        self._marks = {mark: to_monotonic_ns(wall_ns) for mark, wall_ns in walls.items() if wall_ns is not None}
        self._log = LogFollower(client, self.container_id, t0_ns=self._t0_ns, path=self.log_path, redactor=redactor)
        self._watch = Watch(client, self.container_id, before_telling=lambda: self._log.join(THREAD_END_S))

    def pids(self) -> Mapping[str, int]:
        """The container's first process; empty where this host's numbers are others (Docker in a virtual machine)."""
        try:
            is_it = self.container_id in Path(f"/proc/{self._pid}/cgroup").read_text()
        except OSError:
            is_it = False
        return {"engine": self._pid} if is_it else {}

    def exited(self) -> Exit | None:
        """How it ended by itself, or that the container engine went away; never waits."""
        return self._watch.exited

    def marks_ns(self) -> Mapping[Mark, int]:
        """By Docker's own clock, converted. A line that came before Docker had noted the start moves the start."""
        first_ns = self._log.first_ns
        if first_ns is None:
            return dict(self._marks)
        started_ns = min(first_ns, self._marks.get(Mark.PROCESS_STARTED, first_ns))
        return self._marks | {Mark.PROCESS_STARTED: started_ns, Mark.FIRST_LOG: first_ns}

    def log_tail(self, lines: int = 12) -> tuple[str, ...]:
        """The last log lines, redacted when they were written."""
        return read_tail(self.log_path, lines)

    def paste(self) -> tuple[str, ...]:
        """The `docker run` line."""
        return (docker_run_line(self._spec, self._redactor),)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; its layer is measured, then it goes with its nameless volumes. Named ones stay."""
        if self._is_removed:
            return
        self._watch.expect_the_end()
        api = self._client.api
        api.timeout = STOP_TIMEOUT_S
        try:
            with contextlib.suppress(docker.errors.NotFound):  # somebody else removed it
                api.stop(self.container_id, timeout=GRACE_S)
                self._log.join(THREAD_END_S)
                self.layer_bytes = written_bytes(api, self.container_id)
                api.remove_container(self.container_id, force=True, v=True)
        except DOCKER_FAULTS as error:
            self._force_removal(error)
        self._is_removed = True
        self._watch.join(THREAD_END_S)
        self._client.close()

    def _force_removal(self, error: BaseException) -> None:
        """One more try; what stays is found by its label."""
        try:
            self._client.api.remove_container(self.container_id, force=True, v=True)
        except docker.errors.NotFound:
            return
        except DOCKER_FAULTS:
            words = f"the container may still be there ({said_by(error)}): `nimbench doctor --clean` removes it"
            with contextlib.suppress(OSError), self.log_path.open("a", encoding="utf-8") as log:
                log.write(f"{since_s(self._t0_ns, now_ns()):.6f} nimbench {words}\n")


def written_bytes(api: Any, container: str) -> int | None:
    """What lies in the container's own layer: beside all volumes, and gone with it. None where Docker does not say."""
    rows = api.containers(all=True, size=True, filters={"id": container})  # inspect of the SDK cannot ask for sizes
    if not rows or "SizeRootFs" not in rows[0]:
        return None
    return int(rows[0].get("SizeRw") or 0)  # 0 is left out of the answer

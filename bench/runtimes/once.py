"""Runs a container to its end: steps that prepare, ask or check."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.container import ContainerSpec
from bench.dockerhost.client import connect
from bench.dockerhost.errors import DOCKER_FAULTS, docker_errors
from bench.dockerhost.line import docker_run_line
from bench.errors import ArmError
from bench.runtimes.docker_create import create_container, redactor_of
from bench.runtimes.docker_log import frames_of, pieces, stamped_lines
from bench.runtimes.oom import was_oom_killed
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

OUTPUT_CHARACTERS = 8_000_000  # the last of it
OUTPUT_END_S = 10.0  # its stream ends with the container
POLL_S = 0.02
TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How it ended."""

    exit_code: int
    output: str  # stdout and stderr as Docker read them, redacted; the last OUTPUT_CHARACTERS
    oom: bool
    wall_s: float


def run_once(
    spec: ContainerSpec, *, arm: str, timeout_s: float, on_line: Callable[[str], None] | None = None
) -> Finished:
    """Create, start, read, remove. ArmError when it does not start, or takes too long. A thread calls `on_line`."""
    redactor = redactor_of(spec)
    line = docker_run_line(spec, redactor)
    client, container, begun = connect(), None, time.monotonic()
    try:
        with docker_errors("run a step in a container", arm, command=line):
            container = create_container(client, spec)
            client.api.start(container)
            output = Output(client, container, redactor, on_line)
            state = ended_state(client.api, container, begun + timeout_s)
            if state is None:
                raise not_done(arm, timeout_s, output, line)
            output.join()
        return Finished(
            exit_code=int(state["ExitCode"]),
            output=output.text(),
            oom=was_oom_killed(container, state),
            wall_s=time.monotonic() - begun,
        )
    finally:
        if container is not None:
            with contextlib.suppress(*DOCKER_FAULTS):  # `doctor --clean` finds it by its label
                client.api.remove_container(container, force=True, v=True)
        client.close()


def ended_state(api: Any, container: str, deadline: float) -> dict[str, Any] | None:
    """Docker's State once it has ended; None when it still runs at the deadline. Asking lets Ctrl-C through."""
    while True:
        state: dict[str, Any] = api.inspect_container(container)["State"]
        if not state["Running"]:
            return state
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_S)


def not_done(arm: str, timeout_s: float, output: Output, line: str) -> ArmError:
    """It runs on past its time."""
    return ArmError(
        FailureKind.TIMEOUT,
        f"arm {arm!r}: a step in a container was not done after {timeout_s:.0f} s",
        repair="Its last lines say where it stays; run it by hand.",
        command=line,
        log_tail=tuple(output.text().splitlines()[-TAIL_LINES:]),
    )


class Output:
    """A thread that reads what the container prints, and tells each line."""

    def __init__(self, client: Any, container: str, redactor: Redactor, on_line: Callable[[str], None] | None) -> None:
        self._frames = frames_of(client.api, container)
        self._redactor, self._on_line = redactor, on_line
        self._lines: deque[str] = deque()
        self._characters = 0
        self._thread = threading.Thread(target=self._read, daemon=True, name="docker-output")
        self._thread.start()

    def join(self) -> None:
        """Until its last line has come, within bounds."""
        self._thread.join(OUTPUT_END_S)

    def text(self) -> str:
        """All that is kept, so far."""
        return "\n".join(tuple(self._lines))

    def _read(self) -> None:
        with contextlib.suppress(*DOCKER_FAULTS):  # who asks for the state meets the same fault, and tells it
            for _, words in stamped_lines(self._frames):
                for line in pieces(self._redactor.text(words), limit=None):
                    self._keep(line)

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._characters += len(line) + 1
        while self._characters > OUTPUT_CHARACTERS and len(self._lines) > 1:
            self._characters -= len(self._lines.popleft()) + 1
        if self._on_line is not None:
            self._on_line(line)

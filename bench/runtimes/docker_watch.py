"""Waits in a thread for the end of a container, and tells apart how it came."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker.errors

from bench.dockerhost.errors import DOCKER_FAULTS, said_by
from bench.runtimes.base import Exit
from bench.runtimes.oom import was_oom_killed

SIGNAL_BASE = 128  # an exit code above it is a signal's number, by the shells' convention
PATIENCE_S = 2.0  # an engine that restarts and keeps its containers (live-restore) answers again
RETRY_S = 0.1
_SIGNALS = frozenset(signal.Signals)


class Watch:
    """`exited` is set once, by the thread."""

    def __init__(self, client: Any, container: str, *, before_telling: Callable[[], None]) -> None:
        self.exited: Exit | None = None
        self._api, self._container, self._before_telling = client.api, container, before_telling
        self._is_expected = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="docker-wait")
        self._thread.start()

    def expect_the_end(self) -> None:
        """From now on it is ended by us."""
        self._is_expected = True

    def join(self, timeout_s: float) -> None:
        """Until the thread has ended, within bounds."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        exited = self._wait()
        if not self._is_expected:
            self._before_telling()  # its last words are in the log before anybody asks for them
            self.exited = exited

    def _wait(self) -> Exit:
        last_answer = time.monotonic()
        while True:
            try:
                self._api.wait(self._container)  # as long as it runs
                return exit_of(self._container, self._api.inspect_container(self._container)["State"])
            except docker.errors.NotFound:
                return Exit(command="engine", code=None, signal=None, error="the container was removed from outside")
            except DOCKER_FAULTS as error:
                if self._is_expected or time.monotonic() - last_answer > PATIENCE_S:
                    return Exit(command="engine", code=None, signal=None, gone=True, error=said_by(error))
            if self._answers():
                last_answer = time.monotonic()
            time.sleep(RETRY_S)

    def _answers(self) -> bool:
        try:
            self._api.inspect_container(self._container)
        except DOCKER_FAULTS:
            return False
        return True


def exit_of(container: str, state: Mapping[str, Any]) -> Exit:
    """Docker's State of an ended container."""
    code = int(state.get("ExitCode") or 0)
    number = code - SIGNAL_BASE if code - SIGNAL_BASE in _SIGNALS else None
    return Exit(
        command="engine",
        code=None if number else code,
        signal=number,
        oom=was_oom_killed(container, state),
        error=str(state.get("Error") or "") or None,
    )

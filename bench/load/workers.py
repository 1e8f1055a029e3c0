"""The load processes as the driver sees them: started, told, listened to, and never left behind."""

from __future__ import annotations

import json
import math
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import ArmError, NimbenchError

_LOOK_S = 0.5  # how often a silent process is looked at
MOST_SILENCE_S = 60.0  # a load process says that it lives every PULSE_S of user.py; one that is silent so long is stuck


class WorkerDied(NimbenchError):
    """A load process ended by itself: a defect of ours or a machine without memory."""


class StageAborted(Exception):
    """A load process gave the stage up; the text says why."""


class Fleet:
    """Every load process of one job. A context manager: on leaving, all have ended."""

    def __init__(
        self, specs: Iterable[Mapping[str, Any]], folder: Path, watch: Callable[[], None] = lambda: None
    ) -> None:
        self._specs, self._folder, self._watch = list(specs), folder, watch
        self._processes: list[subprocess.Popen[bytes]] = []
        self._events: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._seen: dict[str, dict[int, dict[str, Any]]] = {}
        self._heard_s: dict[int, float] = {}

    def __enter__(self) -> Fleet:
        try:
            for number, spec in enumerate(self._specs):
                self._start(number, spec)
            self.wait("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    @property
    def pids(self) -> list[int]:
        """Process ids, by worker number."""
        return [process.pid for process in self._processes]

    def tell(self, do: str, **facts: Any) -> None:
        """One command to every process."""
        self._seen = {} if do == "stage" else self._seen
        self.tell_each(do, [facts] * len(self._processes))

    def tell_each(self, do: str, facts: Sequence[Mapping[str, Any]]) -> None:
        """A command of its own to each process."""
        for number, (process, mine) in enumerate(zip(self._processes, facts, strict=True)):
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps({"do": do, **mine}).encode() + b"\n")
                process.stdin.flush()
            except OSError:
                raise self._death(number) from None

    def wait(self, event: str, *, ending: bool = False, timeout_s: float = math.inf) -> list[dict[str, Any]]:
        """Block until every process has told `event`, or the time is over; gives what they told.

        Raises WorkerDied and, unless the stage is being ended anyway, StageAborted.
        """
        until_s = time.monotonic() + timeout_s
        while not self._all(event):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return []
            try:
                number, told = self._events.get(timeout=min(_LOOK_S, left_s))
            except queue.Empty:
                self._look(ending=ending, may_be_busy=event == "rows")
                continue
            self._seen.setdefault(told["event"], {})[number] = told
            if told["event"] == "abort" and not ending:
                raise StageAborted(told["reason"])
        told_by = self._seen.get(event, {})
        return [told_by[number] for number in sorted(told_by)]

    def _all(self, event: str) -> bool:
        return len(self._seen.get(event, {})) == len(self._processes)

    def _start(self, number: int, spec: Mapping[str, Any]) -> None:
        path = self._folder / f"worker-{number}.json"
        path.write_text(json.dumps(spec))
        with (self._folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.load.user", str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        self._heard_s[number] = time.monotonic()
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._heard_s[number] = time.monotonic()
                self._events.put((number, json.loads(line)))
        except ValueError:
            return  # the pipe was closed by __exit__

    def _look(self, *, ending: bool, may_be_busy: bool) -> None:
        try:
            self._watch()
        except ArmError as error:  # the rows until now are worth keeping
            if not ending:
                raise StageAborted(error.text) from error
        for number, process in enumerate(self._processes):
            if process.poll() is not None and self._events.empty():
                raise self._death(number)
            if not may_be_busy and time.monotonic() - self._heard_s[number] > MOST_SILENCE_S:
                process.kill()
                raise WorkerDied(f"load process {number} gave no sign of life for {MOST_SILENCE_S:g} s and was ended")

    def _death(self, number: int) -> WorkerDied:
        code = self._processes[number].wait()
        log = (self._folder / f"worker-{number}.log").read_text(errors="replace").strip().splitlines()[-8:]
        return WorkerDied("\n".join([f"load process {number} ended with {code}", *(f"  {line}" for line in log)]))

"""An arm as processes of this host, behind a supervisor that outlives us just long enough to end them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.engines.base import Command, LaunchSpec
from bench.errors import ArmError
from bench.model import Arm
from bench.runtimes.base import Exit
from bench.runtimes.environments import env_python
from bench.runtimes.log import read_tail
from bench.secrets import Redactor
from bench.vocabulary import FailureKind, Mark

START_TIMEOUT_S = 20.0  # fork and exec of every command; a loaded host may need seconds
GRACE_S = 5.0  # between SIGTERM and SIGKILL
PASSED_ON = ("HOME", "LANG", "TMPDIR")  # all that a child sees of the user's environment, beside PATH


def start_processes(spec: LaunchSpec, arm: Arm, *, t0_ns: int, log_path: Path, scratch: Path) -> ProcessArm:
    """Write the commands' files and start the supervisor; returns when every command has been started."""
    for url in {spec.url, spec.metrics_url or spec.url}:  # the entry's port, and the engine's behind a sidecar
        require_free_port(url)
    for command in spec.commands:
        for name, text in command.files.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    log_path.touch()
    running = ProcessArm(spec, arm, t0_ns, log_path, scratch)
    try:
        running.wait_started()
    except BaseException:
        running.stop()
        raise
    return running


def require_free_port(url: str) -> None:
    """A server of somebody else on our port would answer in the arm's place."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((parts.hostname or "127.0.0.1", parts.port or 80))
        except OSError as error:
            raise ArmError(
                FailureKind.PORT_TAKEN,
                f"port {parts.port} of {parts.hostname} cannot be had: {error.strerror}",
                repair="End the program that holds it (`ss -ltnp` names it), or plan again with other ports.",
            ) from error


def child_env(arm: Arm, command: Command) -> dict[str, str]:
    """A minimal environment plus the arm's own: nothing of the user's, least of all a secret, leaks into a server."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders = [str(Path(env_python(arm.packages)).parent), *folders]
    folders += [folder for folder in ("/usr/sbin", "/sbin") if folder not in folders]  # where nginx lives
    env = {"PATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
    env |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return env | dict(arm.env) | dict(command.env)


class ProcessArm:
    """The Running of an arm of processes."""

    def __init__(self, spec: LaunchSpec, arm: Arm, t0_ns: int, log_path: Path, scratch: Path) -> None:
        self.url, self.log_path = spec.url, log_path
        self._spec, self._arm, self._scratch = spec, arm, scratch
        self._pids: dict[str, int] = {}
        self._marks: dict[Mark, int] = {}
        self._exited: Exit | None = None
        self._refused: str | None = None
        self._rest, self._stopped = b"", False
        order = {
            "t0_ns": t0_ns,
            "log_path": str(log_path),
            "grace_s": GRACE_S,
            "parent_pid": os.getpid(),
            "commands": [
                {"name": c.name, "argv": c.argv, "env": child_env(arm, c), "cwd": str(scratch)} for c in spec.commands
            ],
        }
        with (scratch / "supervisor.err").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.runtimes.supervisor"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in the terminal reaches us, and we stop the arm in our own order
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._send(json.dumps(order).encode() + b"\n")

    def wait_started(self) -> None:
        """Every command runs, or ArmError says which could not be executed."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while len(self._pids) < len(self._spec.commands):
            exited = self.exited()
            if self._refused or exited or time.monotonic() > deadline:
                text = self._refused or self._last_words() or f"no start of its processes in {START_TIMEOUT_S:.0f} s"
                if self._exited and self._exited.command in self._pids:
                    return  # it did start: wait_ready tells why it ended
                raise ArmError(
                    FailureKind.CRASHED,
                    f"arm {self._arm.name!r}: {text}",
                    repair="`nimbench doctor` says what this machine lacks.",
                    command="\n".join(self.paste()),
                    log_tail=self.log_tail(),
                )
            time.sleep(0.002)

    def _last_words(self) -> str | None:
        """Of the supervisor, where that is what ended."""
        if self._process.poll() is None:
            return None
        lines = (self._scratch / "supervisor.err").read_text(errors="replace").strip().splitlines()
        return f"the supervisor ended before it had started everything: {lines[-1][:300] if lines else 'no word'}"

    def pids(self) -> Mapping[str, int]:
        """Root process of each command."""
        return dict(self._pids)

    def exited(self) -> Exit | None:
        """The first command that ended without being told to; the supervisor counts as one."""
        self._read_events()
        if self._exited is None and not self._stopped and (code := self._process.poll()) is not None:
            self._read_events()  # what it said before it ended comes first
            gone = Exit(command="supervisor", code=code if code >= 0 else None, signal=-code if code < 0 else None)
            self._exited = self._exited or gone
        return self._exited

    def marks_ns(self) -> Mapping[Mark, int]:
        """Of the engine, which is the first command: a sidecar's words would hide its silence."""
        self._read_events()
        return dict(self._marks)

    def log_tail(self, lines: int = 12) -> tuple[str, ...]:
        """The last log lines; the supervisor redacted them, each is cut for the screen."""
        return read_tail(self.log_path, lines)

    def paste(self) -> tuple[str, ...]:
        """`cd` into the scratch folder is part of it where a command has files there."""
        clean = Redactor.knowing(self._arm.env)
        lines = []
        for command in self._spec.commands:
            env = clean.env(dict(self._arm.env) | dict(command.env))
            words = [*(["env", *(f"{n}={v}" for n, v in sorted(env.items()))] if env else []), *command.argv]
            lines.append(clean.text(shlex.join(words)))
        return tuple(lines)

    def stop(self) -> None:
        """Polite, bounded, and certain: the supervisor returns when no descendant is left."""
        if self._stopped:
            return
        self._read_events()
        self._stopped = True
        self._send(b"stop\n")
        limit_s = GRACE_S * 2 + 5.0
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children have it as their death signal
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone: exited() says so
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read_events(self) -> None:
        """Take in what the supervisor has said; never waits."""
        if self._stopped or self._process.stdout is None:
            return
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._process.stdout.fileno(), 65536):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "started":
            self._pids[event["name"]] = event["pid"]
            self._marks.setdefault(Mark.CREATED, event["created_ns"])
            self._marks.setdefault(Mark.PROCESS_STARTED, event["t_ns"])
        elif kind == "first_log" and event["name"] == self._spec.commands[0].name:
            self._marks[Mark.FIRST_LOG] = event["t_ns"]
        elif kind == "refused":
            self._refused = event["text"]
        elif kind == "exited" and self._exited is None:
            self._exited = Exit(command=event["name"], code=event["code"], signal=event["signal"])

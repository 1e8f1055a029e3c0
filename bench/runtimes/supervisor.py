"""Starts the commands of one arm, keeps their log, and ends them all when it is told to or when its parent is gone.

A program of its own, because a parent that is killed by SIGKILL cannot clean up: this one reads its standard input, and
the end of that pipe is the death of the parent. One line of JSON in (the spec), lines of JSON out (events):

    {"event": "started", "name": …, "pid": …, "created_ns": …, "t_ns": …}    {"event": "refused", "name": …, "text": …}
    {"event": "first_log", "name": …, "t_ns": …}    {"event": "exited", "name": …, "code": …, "signal": …, "t_ns": …}

`stop` on standard input: SIGTERM to each group in the reverse order, SIGKILL after the grace. End of input: SIGKILL at
once. Every descendant goes, also one that made a session of its own: as child subreaper this program inherits orphans.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bench.secrets import Redactor

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINE_BYTES = 4000  # longer lines are cut into pieces: a log is for reading
PARENT_CHECK_S = 0.25  # a copy of the pipe in another process would hide the parent's death from us
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Child:
    """One command."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self.process, self.rest, self.has_spoken, self.alive = name, process, b"", False, True

    def signal_group(self, number: int) -> None:
        """To the whole process group, which outlives its leader."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Supervisor:
    """The event loop: one thread, so that forking is safe."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec, self.t0_ns = spec, int(spec["t0_ns"])
        self.children: list[Child] = []
        self.log = Path(spec["log_path"]).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the program
        self.clean = Redactor.knowing(*(command["env"] for command in spec["commands"])).text  # it may print them
        self.selector = selectors.DefaultSelector()
        self.is_told_to_stop = False
        self.is_orphan = False

    def run(self) -> None:
        """Start all, watch until told to stop, end all."""
        self.selector.register(sys.stdin.buffer.fileno(), selectors.EVENT_READ, None)
        self.watch_child_signals()
        if all(self.start(command) for command in self.spec["commands"]):
            while not (self.is_told_to_stop or self.is_orphan):
                self.turn(PARENT_CHECK_S)
        self.end()

    def watch_child_signals(self) -> None:
        """A child's end wakes the loop at once."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.selector.register(reader, selectors.EVENT_READ, "wakeup")

    def start(self, command: dict[str, Any]) -> bool:
        """Fork and exec one command in a session of its own."""
        created_ns = time.monotonic_ns()
        try:
            process = subprocess.Popen(
                command["argv"],
                env=command["env"],
                cwd=command["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            emit(event="refused", name=command["name"], text=f"{command['argv'][0]}: {error.strerror}")
            return False
        emit(event="started", name=command["name"], pid=process.pid, created_ns=created_ns, t_ns=time.monotonic_ns())
        child = Child(command["name"], process)
        self.children.append(child)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.selector.register(process.stdout, selectors.EVENT_READ, child)
        return True

    def turn(self, wait_s: float) -> None:
        """One round: read what there is, reap who ended, look for the parent."""
        for key, _ in self.selector.select(wait_s):
            if isinstance(key.data, Child):
                with self.surviving_a_full_disk():
                    self.pump(key.data, key.fileobj)  # type: ignore[arg-type]
            elif key.data == "wakeup":
                os.read(key.fd, 4096)
            else:
                self.read_orders(key.fd)
        with self.surviving_a_full_disk():
            self.log.flush()
        self.reap()
        if os.getppid() != self.spec["parent_pid"]:
            self.is_orphan = True

    @contextlib.contextmanager
    def surviving_a_full_disk(self) -> Iterator[None]:
        """It costs the rest of the log; it must not cost the watch over the processes, which would outlive us."""
        try:
            yield
        except OSError as error:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"the log ends here: {error}\n")
            self.log = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program

    def read_orders(self, descriptor: int) -> None:
        """`stop`, or the end of input."""
        text = os.read(descriptor, 4096)
        if b"stop" in text:
            self.is_told_to_stop = True
        elif not text:
            self.is_orphan = True
            self.selector.unregister(descriptor)

    def pump(self, child: Child, pipe: BinaryIO) -> None:
        """Write the whole lines that have come, with the time at which they came."""
        try:
            data = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return
        t_ns = time.monotonic_ns()
        if not data:
            self.selector.unregister(pipe)
        if data and not child.has_spoken:
            child.has_spoken = True
            emit(event="first_log", name=child.name, t_ns=t_ns)
        *lines, child.rest = (child.rest + data).split(b"\n")
        if child.rest and (not data or len(child.rest) > LINE_BYTES):
            lines, child.rest = [*lines, child.rest], b""
        for line in lines:
            for start in range(0, max(len(line), 1), LINE_BYTES):
                text = _CONTROL.sub("", self.clean(line[start : start + LINE_BYTES].decode(errors="replace")))
                self.log.write(f"{(t_ns - self.t0_ns) / 1e9:.6f} {child.name} {text}\n")

    def reap(self) -> None:
        """Take the status of everything that ended, orphans of our children included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children:
                if child.process.pid == pid:
                    code = os.waitstatus_to_exitcode(status)
                    child.alive, child.process.returncode = False, code
                    end = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
                    emit(event="exited", name=child.name, **end, t_ns=time.monotonic_ns())

    def end(self) -> None:
        """Politely, then by force; returns when nothing that we started is left."""
        deadline = time.monotonic() + (0.0 if self.is_orphan else float(self.spec["grace_s"]))
        for child in reversed(self.children):
            if not self.is_orphan:
                child.signal_group(signal.SIGTERM)
            while child.alive and not self.is_orphan and time.monotonic() < deadline:
                self.turn(0.05)
        while True:
            for child in self.children:
                child.signal_group(signal.SIGKILL)
            left = descendants(os.getpid())
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.turn(0.02)
            if not left and not any(child.alive for child in self.children):
                self.log.close()
                return


def descendants(root: int) -> list[int]:
    """Every living process below `root`, from /proc; zombies that only wait for their parent are not counted."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # the name in parentheses may hold spaces: fields count from its closing one
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # ended between the listing and the reading
        if state != "Z" or int(parent) == root:
            parents[int(entry.name)] = int(parent)
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {root})


def die_with_parent() -> None:
    """In the child, before exec: if this supervisor itself is killed, the command goes with it."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def emit(**event: Any) -> None:
    """One event to the parent; nobody reads when it is gone."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Read the spec and supervise."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the parent's: it stops us in its own order
    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Supervisor(json.loads(read_line(sys.stdin.buffer.fileno()))).run()


def read_line(descriptor: int) -> bytes:
    """The first line, byte by byte: nothing behind it may end in a buffer that select does not see."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line or b"{}"


if __name__ == "__main__":
    main()

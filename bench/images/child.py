"""A program of the suite's that serves for a while in a process of its own, and ends with the process that wanted it.

parent                                       child (`python -m MODULE`)
ChildProgram(module, spec)      ─ stdin ──►  read_spec(): one line of JSON
.hello                          ◄─ stdout ─  say(port=…) or say(problem=…, repair=…): one line of JSON
.close(), or the parent's death ─ end of ─►  parent_is_gone()
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.errors import PrerequisiteError

END_S = 20.0  # a registry's folder of some gigabytes is deleted in that time
ERROR_CHARS = 400


class ChildProgram:
    """One child that has said hello."""

    def __init__(self, module: str, spec: dict[str, Any], *, hello_s: float, errors: Path) -> None:
        self.module = module
        errors.parent.mkdir(parents=True, exist_ok=True)
        with errors.open("wb") as log:
            # A session of its own: Ctrl-C is ours, and we end it when nothing needs it any more.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._send(spec | {"parent_pid": os.getpid()})
            self.hello = self._hello(hello_s, errors)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the child itself."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """False when it ended without being told to."""
        return self._process.poll() is None

    def close(self) -> None:
        """Told to end by the end of its input; killed when it does not."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _send(self, spec: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended at once: its own words tell why
            self._process.stdin.write(json.dumps(spec).encode() + b"\n")
            self._process.stdin.flush()

    def _hello(self, hello_s: float, errors: Path) -> dict[str, Any]:
        assert self._process.stdout is not None
        spoke, _, _ = select.select([self._process.stdout], [], [], hello_s)
        line = self._process.stdout.readline() if spoke else b""
        if not line:
            said = errors.read_text(errors="replace").strip()[-ERROR_CHARS:]
            why = said or ("it ended without a word" if spoke else f"it said nothing for {hello_s:g} s")
            raise PrerequisiteError(f"{self.module} did not start: {why}", repair="see what this host lacks: doctor")
        hello: dict[str, Any] = json.loads(line)
        if "problem" in hello:
            raise PrerequisiteError(str(hello["problem"]), repair=hello.get("repair"))
        return hello


def read_spec() -> dict[str, Any]:
    """In the child: what the parent wants."""
    spec: dict[str, Any] = json.loads(sys.stdin.buffer.readline() or b"{}")
    return spec


def say(**words: Any) -> None:
    """In the child: hello, once."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


def parent_is_gone(spec: dict[str, Any], wait_s: float) -> bool:
    """In the child: waits at most that long. A copy of the pipe in another process may hide the parent's death."""
    told, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(told) or os.getppid() != spec["parent_pid"]

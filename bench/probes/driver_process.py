"""A process that asks NVIDIA's driver, and a wait for its answers that ends.

A call into a driver that has lost a card may take minutes or never come back, and within this process no thread in it
could be interrupted. A process in such a call cannot even be killed: it is left to the kernel.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

ANSWER_S = 60.0  # a driver that is loaded anew takes 1 to 3 s for each GPU; one whose calls run out, 45 s for each call
_END_S = 2.0
_CHUNK = 65536


class DriverSilent(Exception):
    """No answer now; another question may have one."""


class DriverProcess:
    """`python -m MODULE` from the first question to `close`: a line of JSON in, a line of JSON out."""

    def __init__(self, module: str, *, answer_s: float = ANSWER_S) -> None:
        self._module, self.answer_s = module, answer_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None before the first question, and after one that had no answer."""
        return self._process.pid if self._process else None

    def ask(self, question: Any) -> dict[str, Any]:
        """The answer to one question; DriverSilent where none comes."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run, not for it
            )  # fmt: skip
        try:
            return self._answer(self._process, question)
        except BaseException:  # an answer that comes later would be taken for the next question's
            self.close()
            raise

    def _answer(self, process: subprocess.Popen[bytes], question: Any) -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        said, until_s = b"", time.monotonic() + self.answer_s
        with suppress(BrokenPipeError):  # then its end is read below
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, until_s - time.monotonic()))
            chunk = os.read(process.stdout.fileno(), _CHUNK) if ready else b""
            if not chunk:
                raise DriverSilent("its library ended the process" if ready else f"not within {self.answer_s:g} s")
            said += chunk
        try:
            return dict(json.loads(said))
        except ValueError as error:
            raise DriverSilent("something else than an answer came") from error

    def close(self) -> None:
        """End the process, and wait no longer for it than it deserves."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        process.stdout.close()

"""A timer that rings at an instant of CLOCK_MONOTONIC: epoll's own timeout counts whole milliseconds."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time


class Alarm:
    """A timerfd; its `fd` is readable from the instant on. Python has a function for it from 3.13 on."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def set(self, due_ns: int) -> None:
        """Ring at `due_ns` of CLOCK_MONOTONIC."""
        seconds, nanoseconds = divmod(due_ns, 1_000_000_000)
        spec = (ctypes.c_long * 4)(0, 0, seconds, nanoseconds)
        absolute = 1  # TFD_TIMER_ABSTIME
        self._libc.timerfd_settime(self.fd, absolute, spec, None)

    def clear(self) -> None:
        """Stop ringing."""
        with contextlib.suppress(BlockingIOError):  # it was set again since it rang
            os.read(self.fd, 8)

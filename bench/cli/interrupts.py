"""Ctrl-C and SIGTERM as an exception that waits for the steps which must not be cut."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bench.errors import Interrupted

DEAF_S = 20.0  # stopping an arm may take 15


class Interrupts:
    """Raises Interrupted in the main thread. Signals of the next seconds find a run that is already stopping.

    Not for ever: what is raised inside a destructor is lost, and somebody who asks again must be heard.
    """

    def __init__(self) -> None:
        self._shields, self._pending, self._deaf_until_s = 0, 0, 0.0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals inside the block."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Hold an interrupt back until the outermost shield has ended."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            self._raise_pending()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if time.monotonic() >= self._deaf_until_s:
            self._pending = self._pending or number
        self._raise_pending()

    def _raise_pending(self) -> None:
        if self._pending and not self._shields:
            number, self._pending = self._pending, 0
            self._deaf_until_s = time.monotonic() + DEAF_S
            raise Interrupted(number)

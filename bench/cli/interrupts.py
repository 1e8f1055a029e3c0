"""Ctrl-C and SIGTERM as an exception that waits for the steps which must not be cut."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bench.errors import Interrupted


class Interrupts:
    """Raises Interrupted once, in the main thread; later signals find a run that is already stopping."""

    def __init__(self) -> None:
        self._shields, self._pending, self._raised = 0, 0, False

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
        self._pending = self._pending or number
        self._raise_pending()

    def _raise_pending(self) -> None:
        if self._pending and not self._shields and not self._raised:
            self._raised = True
            raise Interrupted(self._pending)

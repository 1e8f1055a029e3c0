"""A server that already runs: found ready or not, measured, and never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.runtimes.base import Exit
from bench.vocabulary import Mark


class Endpoint:
    """The Running of an arm with a `url`."""

    def __init__(self, url: str, log_path: Path) -> None:
        self.url, self.log_path = url, log_path
        log_path.touch()

    def pids(self) -> Mapping[str, int]:
        """Nobody's process of ours."""
        return {}

    def exited(self) -> Exit | None:
        """Not ours to see; requests that fail will tell."""
        return None

    def marks_ns(self) -> Mapping[Mark, int]:
        """It was there before us."""
        return {}

    def log_tail(self, lines: int = 12) -> tuple[str, ...]:  # noqa: ARG002
        """Its log is not ours."""
        return ()

    def paste(self) -> tuple[str, ...]:
        """How to ask it by hand."""
        return (f"curl {self.url}/v1/models",)

    def stop(self) -> None:
        """Nothing: whoever started it stops it."""

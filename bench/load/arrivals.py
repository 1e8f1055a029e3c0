"""When requests start. Closed loop: a fixed number of streams, each sends its next request when the last has ended."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """The streams of one stage that one worker of several runs."""

    concurrency: int
    ramp_s: float
    worker: int
    workers: int

    def streams(self) -> list[int]:
        """Numbers of this worker's streams, of all the stage's."""
        return list(range(self.worker, self.concurrency, self.workers))

    def first_start_s(self, stream: int) -> float:
        """When `stream` sends its first request, after the stage's start."""
        return self.ramp_s * stream / self.concurrency

    def quota(self, requests: int) -> int:
        """The part of a count-bounded stage that falls to this worker."""
        streams = len(self.streams())
        before = sum(len(range(worker, self.concurrency, self.workers)) for worker in range(self.worker))
        return requests * (before + streams) // self.concurrency - requests * before // self.concurrency


def pause_after_failures_s(failures: int) -> float:
    """How long a stream waits after so many failures in a row: a dead server must not spin the client."""
    return min(_FIRST_PAUSE_S * 2.0 ** (failures - 1), _LONGEST_PAUSE_S) if failures else 0.0

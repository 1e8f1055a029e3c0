"""One stage inside a load process: its streams, its phase, and what they finished. Only `user.py` imports this."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import gevent.event

from bench.load.arrivals import ClosedLoop, pause_after_failures_s
from bench.load.body import RequestMaker
from bench.load.client import Reactor, StreamClient
from bench.load.prompts import PromptMaker
from bench.load.rows import Sent
from bench.wire.request import Target

_FAILURES_PER_STREAM = 3  # in a row over all streams of the process: then the stage is given up
_LEAST_FAILURES = 10


class Traffic:
    """What every stage of a process shares."""

    def __init__(
        self, target: Target, timeout_s: float, maker: RequestMaker, prompts: PromptMaker, tell: Callable[..., None]
    ) -> None:
        self.target, self.timeout_s, self.maker, self.prompts, self.tell = target, timeout_s, maker, prompts, tell
        self.reactor = Reactor()


class StageRun:
    """The streams of one stage. Status lines: ramped, warm, window_done, abort; `drained` is set at the end."""

    def __init__(self, traffic: Traffic, loop: ClosedLoop, command: Mapping[str, Any]) -> None:
        self.traffic, self.loop = traffic, loop
        self.name = f"{command['stage']}/{command['round']}"
        self._waiting = loop.streams()
        self._live = self._size = len(self._waiting)
        self._quota = None if command["requests"] is None else loop.quota(command["requests"])
        self._warmup_requests: int = command["warmup_requests"]
        self._counts: dict[str, int] = {}
        self._failures = self._measured = 0
        self._clients: list[StreamClient] = []
        self._start_ns = 0
        self._window: tuple[int, int | None] | None = None
        self._stopped = False
        self._go = gevent.event.Event()
        self.drained = gevent.event.Event()
        self.finished: list[Sent] = []
        if not self._size:
            self.drained.set()

    def go(self, start_ns: int) -> None:
        """Start every stream: the first at `start_ns`, the others along the ramp."""
        self._start_ns = start_ns
        self._go.set()
        for status in ("ramped", "warm", "window_done"):
            if not self._size or (status == "warm" and not self._warmup_requests):
                self.traffic.tell(status)

    def open_window(self, start_ns: int, end_ns: int | None) -> None:
        """Requests that start from `start_ns` on are measured."""
        self._window = (start_ns, end_ns)

    def stop(self, *, cut: bool) -> None:
        """Start no more requests; `cut` also ends those in flight."""
        self._stopped = True
        if cut:
            for client in self._clients:
                client.cut()

    def run_stream(self, fire: Callable[[Sent], None]) -> None:
        """The life of one stream; `fire` is told of every finished request."""
        stream = self._waiting.pop(0)
        client = StreamClient(self.traffic.target, self.traffic.reactor, self.traffic.timeout_s)
        self._clients.append(client)
        self._go.wait()
        gevent.sleep(max(0.0, self._start_ns / 1e9 + self.loop.first_start_s(stream) - time.monotonic()))
        self._count("ramped")
        try:
            self._send_all(stream, client, fire)
        finally:
            client.close()
            self._live -= 1
            if not self._live:
                self.drained.set()

    def _send_all(self, stream: int, client: StreamClient, fire: Callable[[Sent], None]) -> None:
        turns = {False: 0, True: 0}
        failures = 0
        was_in_window = True
        while not self._stopped:
            now_ns = time.monotonic_ns()
            measured = self._window is not None and now_ns >= self._window[0]
            if measured and not self._take():
                return
            if was_in_window and self._is_past(now_ns):
                was_in_window = False
                self._count("window_done")
            sent = self._send(stream, turns[measured], measured, client)
            turns[measured] += 1
            fire(sent)
            if not measured and turns[False] == self._warmup_requests:
                self._count("warm")
            failures = failures + 1 if sent.failed else 0
            if failures and not self._stopped:
                self._watch(sent)
                gevent.sleep(pause_after_failures_s(failures))
            elif not failures:
                self._failures = 0

    def _take(self) -> bool:
        """Whether the count that bounds the stage has room for one more."""
        if self._quota is not None and self._measured >= self._quota:
            return False
        self._measured += 1
        return True

    def _is_past(self, now_ns: int) -> bool:
        return self._window is not None and self._window[1] is not None and now_ns > self._window[1]

    def _send(self, stream: int, turn: int, measured: bool, client: StreamClient) -> Sent:
        key = f"{self.name}/{stream}/{'m' if measured else 'w'}{turn}"
        sent = Sent(stream, turn, key, measured)
        request = self.traffic.maker.request(key, self.traffic.prompts.prompt(key))
        client.send(request, sent)
        self.finished.append(sent)
        return sent

    def _count(self, status: str) -> None:
        """One more stream has reached `status`; the last one is told."""
        self._counts[status] = self._counts.get(status, 0) + 1
        if self._counts[status] == self._size:
            self.traffic.tell(status)

    def _watch(self, sent: Sent) -> None:
        self._failures += 1
        if self._failures == max(_LEAST_FAILURES, _FAILURES_PER_STREAM * self._size):
            reply = sent.reply()
            self.traffic.tell(
                "abort", reason=f"{self._failures} requests failed in a row: {reply.error_kind}: {reply.error}"
            )

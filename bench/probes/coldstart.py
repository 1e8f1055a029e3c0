"""Start-up marks seen from outside: first token, steady answers, and the lines of the server's log."""

from __future__ import annotations

import random
import re
import statistics
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import NS_PER_S, now_ns
from bench.engines.base import LogPattern
from bench.model import Load
from bench.vocabulary import Api, Mark, RequestStatus
from bench.wire.reply import Reply
from bench.wire.request import stream_once

RETRY_S = 0.1  # readiness differs between engines, so the first token is asked for until it comes
STEADY_RUN = 5  # this many in a row ...
STEADY_RATIO = 0.10  # ... within this of their running median
STEADY_MOST_REQUESTS = 15
STEADY_MOST_S = 10.0
_OUTPUT_TOKENS = 4
_WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school")
_ENGINE_LINE = re.compile(r"^(\d+\.\d+) engine (.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A short streaming request of the scenario's shape, never the same text twice."""

    url: str
    model: str
    load: Load
    extras: Mapping[str, Any]
    seed: int

    def ask(self, number: int) -> Reply:
        """Send the `number`-th request and wait for its end.

        Only the head of the text differs: enough that no prefix cache helps, too little to change its length by much.
        """
        head = random.Random(f"{self.seed}/{number}").randrange(100_000, 1_000_000)
        text = " ".join([str(head), *_WORDS[: self.load.input_tokens]])
        chat = self.load.api is Api.CHAT
        prompt = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
        body = {
            "model": self.model,
            **prompt,
            "max_tokens": _OUTPUT_TOKENS,
            "temperature": self.load.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self.extras,
        }
        path = "/v1/chat/completions" if chat else "/v1/completions"
        return stream_once(self.url, path, body, timeout_s=self.load.timeout_s)


class FirstToken:
    """Asks for a first token in a thread of its own, from the start of the arm on, until one comes."""

    def __init__(self, probe: Probe) -> None:
        self._probe, self._stop, self._hurry = probe, False, threading.Event()
        self._first_ns: int | None = None
        self._attempts, self._last_error = 0, "no attempt was made"
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float, alive: Callable[[], bool]) -> int | None:
        """The instant of the first token; None when the time is up or the arm is no longer alive."""
        deadline_ns = now_ns() + int(timeout_s * NS_PER_S)
        while self._thread.is_alive() and now_ns() < deadline_ns and alive():
            self._thread.join(RETRY_S)
        self.stop()
        return self._first_ns

    def hurry(self) -> None:
        """Ask now: the server says that it is ready, and a wait would only add to what is measured."""
        self._hurry.set()

    def stop(self) -> None:
        """No further attempt; a request under way ends by itself."""
        self._stop = True
        self._hurry.set()

    def last_error(self) -> str:
        """Why the last attempt gave no token, with the number of attempts."""
        return f"{self._last_error} (attempt {self._attempts})"

    def _ask(self) -> None:
        while not self._stop:
            due_ns = now_ns() + int(RETRY_S * NS_PER_S)
            reply = self._probe.ask(-self._attempts)
            self._attempts += 1
            if reply.first_token_ns is not None:
                self._first_ns = reply.first_token_ns
                return
            self._last_error = reply.error or f"a stream without a token, HTTP status {reply.http_status}"
            self._hurry.wait(max(0, due_ns - now_ns()) / NS_PER_S)
            self._hurry.clear()


def steady_ns(probe: Probe) -> int | None:
    """When the server first answered steadily: the end of the last of STEADY_RUN like answers; None if it never did."""
    deadline_ns = now_ns() + int(STEADY_MOST_S * NS_PER_S)
    ttfts_s: list[float] = []
    for number in range(1, STEADY_MOST_REQUESTS + 1):
        reply = probe.ask(number)
        if reply.status is not RequestStatus.OK or reply.first_token_ns is None:
            return None
        ttfts_s.append((reply.first_token_ns - reply.start_ns) / NS_PER_S)
        if is_steady(ttfts_s):
            return reply.first_token_ns
        if now_ns() > deadline_ns:
            return None
    return None


def is_steady(ttfts_s: list[float]) -> bool:
    """Whether the last STEADY_RUN times lie within STEADY_RATIO of the running median of those."""
    last = ttfts_s[-STEADY_RUN:]
    median_s = statistics.median(last)
    return len(last) == STEADY_RUN and all(abs(ttft_s - median_s) <= STEADY_RATIO * median_s for ttft_s in last)


def log_marks(log_path: Path, patterns: tuple[LogPattern, ...]) -> dict[Mark, float]:
    """Mark -> seconds since t0 of the first line of the engine's log that proves it.

    Several patterns may stand for one mark: the first of the table that occurs at all is the one.
    """
    first_s: dict[int, float] = {}
    wanted = [(position, one.pattern) for position, one in enumerate(patterns) if one.mark]
    if not log_path.exists():
        return {}
    with log_path.open(encoding="utf-8", errors="replace") as file:
        for match in filter(None, map(_ENGINE_LINE.match, file)):
            for position, pattern in wanted:
                if position not in first_s and pattern.search(match[2]):
                    first_s[position] = float(match[1])
    marks: dict[Mark, float] = {}
    for position in sorted(first_s):
        mark = patterns[position].mark
        if mark is not None:
            marks.setdefault(mark, first_s[position])
    return marks

"""Finished requests into the rows of requests.parquet and chunks.parquet."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa

from bench.load.stamps import arrivals
from bench.store.tables import CHUNKS, REQUESTS
from bench.vocabulary import Phase
from bench.wire.reply import Ending, Reply, read_reply

_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Span:
    """The measured part of a stage. Bounded by a count: `counted`, and only requests marked as measured are in it."""

    start_ns: int
    end_ns: int
    counted: bool = False


class Sent:
    """One finished request, compact: what the parser needs later."""

    __slots__ = (
        "data",
        "end_ns",
        "ending",
        "failed",
        "key",
        "measured",
        "offsets_ns",
        "read_ns",
        "sizes",
        "stamps",
        "start_ns",
        "stream",
        "turn",
    )

    def __init__(self, stream: int, turn: int, key: str, measured: bool) -> None:
        self.stream, self.turn, self.key, self.measured = stream, turn, key, measured
        self.start_ns = self.end_ns = 0
        self.data, self.read_ns, self.sizes = b"", array("q"), array("i")
        self.stamps, self.offsets_ns = b"", (0, 0)
        self.ending = Ending()
        self.failed = False

    def pieces(self, times: Sequence[int]) -> Iterable[tuple[int, bytes]]:
        """(time, bytes) as they came."""
        at = 0
        for t_ns, size in zip(times, self.sizes, strict=True):
            yield t_ns, self.data[at : at + size]
            at += size

    def arrivals(self) -> tuple[list[int], int]:
        """When each piece reached this host, and how many of these times are the kernel's."""
        return arrivals(self.read_ns, self.stamps, self.start_ns, self.offsets_ns)

    def reply(self, times: Sequence[int] | None = None) -> Reply:
        """The facts in the bytes; `times` where the arrivals are known already."""
        times = self.arrivals()[0] if times is None else times
        end_ns = times[-1] if times and self.end_ns == self.read_ns[-1] else self.end_ns
        return read_reply(self.start_ns, end_ns, self.pieces(times), self.ending)


@dataclass(slots=True)
class Lag:
    """How late the client read what had arrived: its own slowness, which the kernel's stamps take out of the times."""

    late_ns: list[int] = field(default_factory=list)
    pieces: int = 0
    stamped: int = 0

    def add(self, sent: Sent, times: Sequence[int], stamped: int) -> None:
        """Take the pieces of one request."""
        self.pieces += len(times)
        self.stamped += stamped
        self.late_ns += [read - came for read, came in zip(sent.read_ns, times, strict=True)]

    def facts(self) -> dict[str, float | None]:
        """{"read_lag_p99_s", "kernel_stamped_ratio"}."""
        late = sorted(self.late_ns)
        return {
            "read_lag_p99_s": late[len(late) * 99 // 100] * _NS if self.stamped else None,
            "kernel_stamped_ratio": self.stamped / self.pieces if self.pieces else None,
        }


def window_tokens(reply: Reply, span: Span) -> int:
    """Output tokens whose chunk arrived inside the window.

    Where the tokens of a chunk are not known, the server's total is spread evenly over the chunks.
    """
    times = reply.chunk_ns
    first, last = bisect_left(times, span.start_ns), bisect_right(times, span.end_ns)
    if reply.chunk_tokens is not None:
        return sum(reply.chunk_tokens[first:last])
    total = reply.output_tokens if reply.output_tokens is not None else len(times)
    return round(total * last / len(times)) - round(total * first / len(times)) if times else 0


def phase_of(sent: Sent, span: Span) -> Phase:
    """Where the request started; the driver tells the ramp from the warm-up."""
    if span.counted:
        return Phase.WINDOW if sent.measured else Phase.WARMUP
    if sent.start_ns < span.start_ns:
        return Phase.WARMUP
    return Phase.WINDOW if sent.start_ns <= span.end_ns else Phase.DRAIN


def make_tables(
    finished: Iterable[Sent], span: Span, facts: Mapping[str, Any], lag: Lag, *, t0_ns: int, keep_chunks: bool
) -> tuple[pa.Table, pa.Table | None]:
    """Rows and chunk rows; `facts` are the columns that are the same in all (stage, round, worker …)."""
    rows: list[dict[str, Any]] = []
    chunks: list[dict[str, Any]] = []
    for seq, sent in enumerate(finished):
        times, stamped = sent.arrivals()
        lag.add(sent, times, stamped)
        reply = sent.reply(times)
        rows.append({**facts, "seq": seq, **_row(sent, reply, span, t0_ns)})
        if keep_chunks:
            offsets = [(t_ns - reply.start_ns) // 1000 for t_ns in reply.chunk_ns]
            chunks.append({"seq": seq, "offsets_us": offsets, "tokens": reply.chunk_tokens})
    return (
        pa.Table.from_pylist(rows, schema=REQUESTS),
        pa.Table.from_pylist(chunks, schema=CHUNKS) if keep_chunks else None,
    )


def _row(sent: Sent, reply: Reply, span: Span, t0_ns: int) -> dict[str, Any]:
    def since(t_ns: int | None) -> float | None:
        return None if t_ns is None else (t_ns - t0_ns) * _NS

    times = reply.chunk_ns
    gaps = [b - a for a, b in pairwise(times)]
    return {
        "phase": str(phase_of(sent, span)),
        "turn": sent.turn,
        "prompt_id": sent.key,
        "start_s": since(reply.start_ns),
        "headers_s": since(reply.headers_ns),
        "first_token_s": since(reply.first_token_ns),
        "first_answer_s": since(reply.first_answer_ns),
        "last_token_s": since(reply.last_token_ns),
        "end_s": since(reply.end_ns),
        "itl_mean_s": sum(gaps) / len(gaps) * _NS if gaps else None,
        "itl_max_s": max(gaps) * _NS if gaps else None,
        "chunks": len(times),
        "prompt_tokens": reply.prompt_tokens,
        "cached_tokens": reply.cached_tokens,
        "output_tokens": reply.output_tokens,
        "window_tokens": window_tokens(reply, span),
        "finish_reason": reply.finish_reason,
        "http_status": reply.http_status,
        "status": str(reply.status),
        "error_kind": str(reply.error_kind) if reply.error_kind else None,
        "error": reply.error,
    }

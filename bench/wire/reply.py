"""One request's outcome as facts: from the pieces that came and the way the exchange ended. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.vocabulary import ErrorKind, RequestStatus
from bench.wire.completion import Completion, ServerErrorEvent
from bench.wire.http import ResponseReader
from bench.wire.sse import SseParser, StreamError

MOST_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is known of one request; all times are CLOCK_MONOTONIC nanoseconds, None means not known."""

    status: RequestStatus
    start_ns: int
    end_ns: int
    error_kind: ErrorKind | None = None
    error: str | None = None
    http_status: int | None = None
    headers_ns: int | None = None
    first_token_ns: int | None = None
    first_answer_ns: int | None = None
    last_token_ns: int | None = None
    chunk_ns: tuple[int, ...] = ()
    chunk_tokens: tuple[int, ...] | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    text: str | None = None  # only where it was asked for


@dataclass(frozen=True, slots=True)
class Ending:
    """Why reading stopped: the response was whole, the peer closed, or `kind` and `text` say what went wrong."""

    kind: ErrorKind | None = None
    text: str | None = None
    closed: bool = False  # by the peer
    cut_by_us: bool = False


def read_reply(
    start_ns: int, end_ns: int, pieces: Iterable[tuple[int, bytes]], ending: Ending, *, keep_text: bool = False
) -> Reply:
    """The facts of a streamed request. A token's time is when the piece arrived that completed its event."""
    reader, completion = ResponseReader(), Completion(keep_text=keep_text)
    kind, text = _read_pieces(pieces, reader, completion, ending)
    status = RequestStatus.OK if kind is None else RequestStatus.ERROR
    if ending.cut_by_us and kind is not ErrorKind.SERVER_ERROR_EVENT:
        status, kind, text = RequestStatus.INCOMPLETE, None, ending.text
    times = completion.chunk_ns
    tokens = completion.chunk_tokens()
    return Reply(
        status=status,
        start_ns=start_ns,
        end_ns=end_ns,
        error_kind=kind,
        error=text[:MOST_ERROR_CHARACTERS] if text else None,
        http_status=reader.status if reader.head_ns is not None else None,
        headers_ns=reader.head_ns,
        first_token_ns=times[0] if times else None,
        first_answer_ns=completion.first_answer_ns,
        last_token_ns=times[-1] if times else None,
        chunk_ns=tuple(times),
        chunk_tokens=tuple(tokens) if tokens is not None else None,
        prompt_tokens=completion.prompt_tokens,
        cached_tokens=completion.cached_tokens,
        output_tokens=completion.output_tokens,
        finish_reason=completion.finish_reason,
        text="".join(completion.text) if completion.text is not None else None,
    )


def _read_pieces(
    pieces: Iterable[tuple[int, bytes]], reader: ResponseReader, completion: Completion, ending: Ending
) -> tuple[ErrorKind | None, str | None]:
    parser = SseParser()
    read = 0
    try:
        for t_ns, piece in pieces:
            try:
                reader.feed(piece, t_ns)
            finally:  # chunks before a malformed one, in the same piece, have come all the same
                if reader.status == 200:
                    for body_ns, data in reader.body[read:]:
                        completion.feed(parser.feed(data, body_ns))
                    read = len(reader.body)
        if ending.closed:
            reader.close()
    except StreamError as error:
        return ErrorKind.BAD_STREAM, str(error)
    except ServerErrorEvent as error:
        return ErrorKind.SERVER_ERROR_EVENT, str(error)
    return _outcome(reader, completion, ending)


def _outcome(reader: ResponseReader, completion: Completion, ending: Ending) -> tuple[ErrorKind | None, str | None]:
    if reader.status is not None and reader.head_ns is not None and reader.status != 200:
        body = reader.body_bytes()[:MOST_ERROR_CHARACTERS].decode("utf-8", "replace")
        return _status_kind(reader.status), f"HTTP {reader.status}: {body}"
    if ending.kind is not None:
        return ending.kind, ending.text
    if not reader.complete:
        return ErrorKind.CUT, f"the server closed the connection after {len(completion.chunk_ns)} chunks"
    if not (completion.done or completion.finish_reason):
        if not completion.chunk_ns:
            return ErrorKind.BAD_STREAM, f"no event stream: {reader.body_bytes()[:200].decode('utf-8', 'replace')!r}"
        return ErrorKind.CUT, f"the stream ended without [DONE] after {len(completion.chunk_ns)} chunks"
    return None, None


def _status_kind(status: int) -> ErrorKind:
    if status == 429:
        return ErrorKind.HTTP_429
    if 400 <= status < 500:
        return ErrorKind.HTTP_4XX
    return ErrorKind.HTTP_5XX if status >= 500 else ErrorKind.BAD_STREAM

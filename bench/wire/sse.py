"""Server-sent events from bytes: an incremental parser after the WHATWG specification, with the time of each event."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
MOST_EVENT_BYTES = 16 * 1024 * 1024  # an event beyond this is not a token of any model


class StreamError(ValueError):
    """The bytes are not what the protocol allows."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One dispatched event; `t_ns` is when the line end arrived that completed it."""

    t_ns: int
    data: bytes
    event: str = "message"


class SseParser:
    """Feed it pieces as they came, split anywhere; it gives the events that each piece completed."""

    def __init__(self) -> None:
        self.comments = 0
        self._rest = b""
        self._data: list[bytes] = []
        self._event = ""
        self._at_start = True
        self._skip_lf = False

    def feed(self, piece: bytes, t_ns: int) -> list[SseEvent]:
        """The events completed by `piece`."""
        if not piece:
            return []
        # The usual piece is one whole event of one line; the general way below gives the same.
        if not self._rest and not self._data and not self._at_start and not self._skip_lf and not self._event:
            data = _lone_event(piece)
            if data is not None:
                return [SseEvent(t_ns, data)]
        return self._feed_lines(piece, t_ns)

    def _feed_lines(self, piece: bytes, t_ns: int) -> list[SseEvent]:
        if self._skip_lf:
            self._skip_lf = False
            if piece[:1] == b"\n":
                piece = piece[1:]
        text = self._rest + piece
        if self._at_start:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            self._at_start = False
            text = text.removeprefix(_BOM)
        events: list[SseEvent] = []
        at = 0
        for end in _LINE_END.finditer(text):
            self._line(text[at : end.start()], t_ns, events)
            at = end.end()
        self._skip_lf = text[-1:] == b"\r"
        self._rest = text[at:]
        if len(self._rest) > MOST_EVENT_BYTES or (self._data and sum(map(len, self._data)) > MOST_EVENT_BYTES):
            raise StreamError(f"an event of more than {MOST_EVENT_BYTES} bytes")
        return events

    def _line(self, line: bytes, t_ns: int, events: list[SseEvent]) -> None:
        if not line:
            data = b"\n".join(self._data)
            if data:
                events.append(SseEvent(t_ns, data, self._event or "message"))
            self._data, self._event = [], ""
            return
        name, _, value = line.partition(b":")
        if not name:
            self.comments += 1
            return
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        # id and retry steer reconnection, which a measured request never does; unknown fields are ignored.


def _lone_event(piece: bytes) -> bytes | None:
    """The data of a piece that is exactly `data: …` and one blank line, else None."""
    if piece.startswith(b"data: ") and piece.endswith(b"\n\n") and piece.find(b"\n") == len(piece) - 2:
        data = piece[6:-2]
        if data and b"\r" not in data:
            return data
    return None

"""An HTTP/1.1 response from the pieces in which it came: head, and the body's bytes with their times. No I/O."""

from __future__ import annotations

from bench.wire.sse import StreamError

MOST_HEAD_BYTES = 64 * 1024
MOST_BODY_BYTES = 256 * 1024 * 1024
_MOST_DIGITS = 18  # of a length
_MOST_CHUNK_LINE = 4096


class ResponseReader:
    """Feed it what recv gave; `complete` says that the response has ended by its own framing."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.head_ns: int | None = None
        self.body: list[tuple[int, bytes]] = []
        self.complete = False
        self.framing = ""  # "chunked" | "length" | "close"
        self._rest = b""
        self._left = 0  # bytes of the current chunk, or of the whole body
        self._state = "head"
        self._size = 0

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        tokens = self.headers.get("connection", "").lower()
        if "close" in tokens or self.framing == "close":
            return False
        return self._http11 or "keep-alive" in tokens

    _http11 = True

    def feed(self, piece: bytes, t_ns: int) -> None:
        """Take the next piece. Raises StreamError for bytes that HTTP does not allow."""
        if self.complete:
            if piece:
                raise StreamError(f"{len(piece)} bytes after the end of the response")
            return
        self._rest += piece
        while self._rest and not self.complete and self._step(t_ns):
            pass
        if self.complete and self._rest:
            raise StreamError(f"{len(self._rest)} bytes after the end of the response")

    def close(self) -> None:
        """The peer closed the connection; ends a body that has no other framing."""
        if self._state == "body" and self.framing == "close":
            self.complete = True

    def body_bytes(self) -> bytes:
        """The whole body so far."""
        return b"".join(data for _, data in self.body)

    def _step(self, t_ns: int) -> bool:
        """One transition; False when more bytes are needed."""
        return bool(getattr(self, f"_{self._state}")(t_ns))

    def _head(self, t_ns: int) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > MOST_HEAD_BYTES or not b"HTTP/1.".startswith(self._rest[:7]):
                raise StreamError(f"not an HTTP/1.1 response: {self._rest[:40]!r}")
            return False
        lines = self._rest[:end].decode("latin-1").split("\r\n")
        self._rest = self._rest[end + 4 :]
        self._read_head(lines)
        if self.status is not None and 100 <= self.status < 200:
            self.headers = {}
            return True
        self.head_ns = t_ns
        self._start_body()
        return True

    def _read_head(self, lines: list[str]) -> None:
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not (parts[1].isdigit() and len(parts[1]) == 3):
            raise StreamError(f"not an HTTP/1.1 status line: {lines[0][:80]!r}")
        self._http11 = parts[0] != "HTTP/1.0"
        self.status = int(parts[1])
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise StreamError(f"not a header line: {line[:80]!r}")
            self.headers[name.lower()] = value.strip()

    def _start_body(self) -> None:
        self._state = "body"
        length = self.headers.get("content-length")
        if self.status in (204, 304):
            self.framing, self.complete = "length", True
        elif self.headers.get("transfer-encoding", "").lower().endswith("chunked"):
            self.framing, self._state = "chunked", "chunk_line"
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
                raise StreamError(f"not a content-length: {length[:40]!r}")
            self.framing, self._left = "length", int(length)
            self.complete = self._left == 0
        else:
            self.framing, self._left = "close", MOST_BODY_BYTES + 1

    def _body(self, t_ns: int) -> bool:
        self._take(t_ns)
        if self._left == 0:
            self.complete = True
        return True

    def _take(self, t_ns: int) -> None:
        data = self._rest[: self._left]
        self._rest = self._rest[len(data) :]
        self._left -= len(data)
        self._size += len(data)
        if self._size > MOST_BODY_BYTES:
            raise StreamError(f"a body of more than {MOST_BODY_BYTES} bytes")
        self.body.append((t_ns, data))

    def _chunk_line(self, _t_ns: int) -> bool:
        end = self._rest.find(b"\r\n")
        if end < 0:
            if len(self._rest) > _MOST_CHUNK_LINE:
                raise StreamError(f"not a chunk size: {self._rest[:40]!r}")
            return False
        size = self._rest[:end].partition(b";")[0].strip()
        try:
            if not size.isalnum():
                raise ValueError
            self._left = int(size, 16)
        except ValueError:
            raise StreamError(f"not a chunk size: {self._rest[:40]!r}") from None
        self._rest = self._rest[end + 2 :]
        self._state = "chunk_data" if self._left else "trailer"
        return True

    def _chunk_data(self, t_ns: int) -> bool:
        self._take(t_ns)
        if self._left == 0:
            self._state = "chunk_end"
        return True

    def _chunk_end(self, _t_ns: int) -> bool:
        if len(self._rest) < 2:
            return False
        if self._rest[:2] != b"\r\n":
            raise StreamError(f"a chunk that is longer than its size: {self._rest[:40]!r}")
        self._rest, self._state = self._rest[2:], "chunk_line"
        return True

    def _trailer(self, _t_ns: int) -> bool:
        end = self._rest.find(b"\r\n")
        if end < 0:
            if len(self._rest) > MOST_HEAD_BYTES:
                raise StreamError("a trailer without an end")
            return False
        self._rest = self._rest[end + 2 :]
        self.complete = end == 0
        return True

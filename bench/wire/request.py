"""One request on a plain blocking socket, for probes: each closes its connection."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench.errors import InputError
from bench.vocabulary import ErrorKind
from bench.wire.http import ResponseReader
from bench.wire.reply import Ending, Reply, read_reply
from bench.wire.sse import StreamError

_RECV_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points."""

    host: str
    port: int
    tls: bool
    path: str  # what stands before the route, without a closing slash

    @property
    def host_header(self) -> str:
        """The Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole, not streamed, answer; `error` says why there is none."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error_kind: ErrorKind | None = None
    error: str | None = None

    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def parse_url(url: str) -> Target:
    """The target of an http or https URL."""
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the resolver will
        is_server = parts.scheme in ("http", "https") and not (port is None and ":" in parts.netloc.split("]")[-1])
    except ValueError:  # a bracket left open, a port that is no number, a host name that cannot be one
        is_server = False
    if not is_server or not parts.hostname:
        raise InputError("not a server's URL", where="url", expected="http(s)://host:port", got=url)
    tls = parts.scheme == "https"
    return Target(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"))


def request_bytes(
    method: str, target: Target, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The request as it goes over the wire."""
    lines = [f"{method} {target.path}{path} HTTP/1.1", f"Host: {target.host_header}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise InputError("a line break in a header or path", where="headers")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + (body or b"")


def tls_context() -> ssl.SSLContext:
    """Verifying by default; SSL_CERT_FILE adds an authority of one's own."""
    return ssl.create_default_context()


def stream_once(
    url: str,
    path: str,
    body: Mapping[str, Any],
    *,
    timeout_s: float = 120.0,
    headers: Mapping[str, str] | None = None,
    keep_text: bool = False,
) -> Reply:
    """POST `body` and read the stream of tokens to its end; every failure is a Reply too."""
    exchange = _exchange("POST", url, path, json.dumps(body).encode(), timeout_s, headers)
    return read_reply(exchange.start_ns, exchange.end_ns, exchange.pieces, exchange.ending, keep_text=keep_text)


def get_once(url: str, path: str, *, timeout_s: float = 10.0, headers: Mapping[str, str] | None = None) -> Answer:
    """GET a document; a failure is an Answer without a status."""
    return _answer(_exchange("GET", url, path, None, timeout_s, headers))


def post_once(
    url: str, path: str, body: Mapping[str, Any], *, timeout_s: float = 30.0, headers: Mapping[str, str] | None = None
) -> Answer:
    """POST a JSON document and take the whole answer."""
    return _answer(_exchange("POST", url, path, json.dumps(body).encode(), timeout_s, headers))


@dataclass(slots=True)
class _Exchange:
    start_ns: int
    end_ns: int = 0
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    reader: ResponseReader = field(default_factory=ResponseReader)
    ending: Ending = field(default_factory=Ending)


def _exchange(
    method: str, url: str, path: str, body: bytes | None, timeout_s: float, headers: Mapping[str, str] | None
) -> _Exchange:
    target = parse_url(url)
    data = request_bytes(method, target, path, body, {"Connection": "close", **(headers or {})})
    exchange = _Exchange(time.monotonic_ns())
    deadline_ns = exchange.start_ns + int(timeout_s * 1e9)
    try:
        with _connect(target, timeout_s) as connection:
            exchange.start_ns = time.monotonic_ns()
            connection.sendall(data)
            exchange.ending = _receive(connection, exchange, deadline_ns)
    except TimeoutError:
        exchange.ending = Ending(ErrorKind.TIMEOUT, f"no whole answer within {timeout_s:g} s")
    except ssl.SSLError as error:
        exchange.ending = Ending(ErrorKind.TLS, str(error))
    except ConnectionRefusedError as error:
        exchange.ending = Ending(ErrorKind.CONNECT, str(error))
    except OSError as error:
        exchange.ending = Ending(ErrorKind.CUT if exchange.pieces else ErrorKind.CONNECT, str(error))
    exchange.end_ns = time.monotonic_ns()
    return exchange


def _connect(target: Target, timeout_s: float) -> socket.socket:
    connection = socket.create_connection((target.host, target.port), timeout=timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not target.tls:
        return connection
    try:
        return tls_context().wrap_socket(connection, server_hostname=target.host)
    except BaseException:
        connection.close()
        raise


def _receive(connection: socket.socket, exchange: _Exchange, deadline_ns: int) -> Ending:
    while True:
        left_s = (deadline_ns - time.monotonic_ns()) / 1e9
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        piece = connection.recv(_RECV_BYTES)
        t_ns = time.monotonic_ns()
        if not piece:
            return Ending(closed=True)
        exchange.pieces.append((t_ns, piece))
        try:
            exchange.reader.feed(piece, t_ns)
        except StreamError:
            return Ending()  # read_reply meets the same bytes and says what is wrong
        if exchange.reader.complete:
            return Ending()


def _answer(exchange: _Exchange) -> Answer:
    reader, ending = exchange.reader, exchange.ending
    if ending.closed:
        reader.close()
    if ending.kind is not None or reader.head_ns is None or not reader.complete:
        return Answer(None, error_kind=ending.kind or ErrorKind.BAD_STREAM, error=ending.text or "no whole answer")
    return Answer(reader.status, reader.body_bytes(), reader.headers)

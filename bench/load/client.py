"""The streaming client: all sockets of a load process are read in one place, one callback per wake-up of the loop.

Only `user.py` imports this: it needs gevent. What a piece costs while it is measured: one recvmsg, one clock read,
three appends. Everything else waits until the stage has drained.
"""

from __future__ import annotations

import socket
import ssl
import time
from array import array
from collections.abc import Callable
from typing import Any, TypeAlias

import gevent
import gevent.monkey
import gevent.socket
from gevent.hub import Waiter

from bench.load.rows import Sent
from bench.load.stamps import ANCILLARY_BYTES, NO_STAMP, enable, offset_ns
from bench.load.tls import TlsSocket
from bench.vocabulary import ErrorKind, RequestStatus
from bench.wire.http import ResponseReader
from bench.wire.reply import Ending
from bench.wire.request import Target, tls_context
from bench.wire.sse import StreamError

_epoll = gevent.monkey.get_original("select", "epoll")  # gevent hides it: it blocks, but not with a timeout of 0
_EPOLLIN = 1
_RECV_BYTES = 16384
_STALE_NS = 1_000_000_000  # a close that crossed our request comes within a round trip; later, the server gave it up
_CHUNKED_END = b"0\r\n\r\n"
RecvMsg: TypeAlias = Callable[[int, int], tuple[bytes, list[Any], int, Any]]
_STREAM_END = b"data: [DONE]\n\n\r\n0\r\n\r\n"  # JSON escapes line feeds: this cannot be inside a chunk of an answer


class Exchange:
    """The bytes of one request's answer, and when each piece came."""

    __slots__ = ("ending", "fast", "pieces", "reader", "recvmsg", "stamps", "times", "waiter")

    def __init__(self, recvmsg: RecvMsg) -> None:
        self.recvmsg = recvmsg
        self.stamps: list[bytes] = []
        self.times: list[int] = []
        self.pieces: list[bytes] = []
        self.waiter: Any = Waiter()
        self.ending: Ending | None = None
        self.fast = False  # the head was read and says "chunked": only a piece that looks like the end is examined
        self.reader = ResponseReader()

    def look(self, piece: bytes, t_ns: int) -> bool:
        """Whether this piece ended the exchange; sets `ending` then."""
        if not piece:
            self.ending = Ending(closed=True)
        elif not self.fast:
            self._follow(piece, t_ns)
        elif piece.endswith(_STREAM_END) or b"".join(self.pieces[-3:]).endswith(_STREAM_END):
            self.ending = Ending()
        elif len(piece) >= len(_CHUNKED_END) or b"".join(self.pieces[-5:]).endswith(_CHUNKED_END):
            self._reread()
        return self.ending is not None

    def _follow(self, piece: bytes, t_ns: int) -> None:
        try:
            self.reader.feed(piece, t_ns)
        except StreamError:
            self.ending = Ending()  # read_reply meets the same bytes later
            return
        if self.reader.complete:
            self.ending = Ending()
        self.fast = self.reader.framing == "chunked"

    def _reread(self) -> None:
        self.reader = ResponseReader()
        for piece in self.pieces:
            self._follow(piece, 0)


class Reactor:
    """One epoll over every socket; the event loop watches the epoll, so a wake-up reads all that is ready."""

    def __init__(self) -> None:
        self._epoll = _epoll()
        self._exchanges: dict[int, Exchange] = {}
        self._loop = gevent.get_hub().loop
        self._watcher = self._loop.io(self._epoll.fileno(), 1)
        self._watcher.start(self._on_readable)

    def add(self, fd: int, exchange: Exchange) -> None:
        """Read `fd` into `exchange`, from now on."""
        new = fd not in self._exchanges
        self._exchanges[fd] = exchange
        if new:
            self._epoll.register(fd, _EPOLLIN)

    def reads(self, fd: int) -> bool:
        """Whether `fd` is still read, that is, open as far as we know."""
        return fd in self._exchanges

    def discard(self, fd: int) -> None:
        """Read `fd` no more."""
        if self._exchanges.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def _on_readable(self) -> None:
        exchanges, now = self._exchanges, time.monotonic_ns
        for fd, _ in self._epoll.poll(0):
            exchange = exchanges[fd]
            if exchange.ending is not None:  # nobody waits: the server closed an idle connection
                self.discard(fd)
                continue
            try:
                piece, ancillary, _, _ = exchange.recvmsg(_RECV_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                self.end(exchange, Ending(ErrorKind.CUT, str(error)))
                continue
            t_ns = now()
            exchange.times.append(t_ns)
            exchange.pieces.append(piece)
            exchange.stamps.append(ancillary[0][2] if ancillary else NO_STAMP)
            if (not exchange.fast or piece[-5:] == _CHUNKED_END or len(piece) < 5) and exchange.look(piece, t_ns):
                self._loop.run_callback(exchange.waiter.switch, None)

    def end(self, exchange: Exchange, ending: Ending) -> None:
        """End an exchange for a reason of its own."""
        if exchange.ending is None:
            exchange.ending = ending
            self._loop.run_callback(exchange.waiter.switch, None)


class StreamClient:
    """One connection that carries one request at a time, kept alive between them."""

    def __init__(self, target: Target, reactor: Reactor, timeout_s: float) -> None:
        self._target, self._reactor, self._timeout_s = target, reactor, timeout_s
        self._sock: Any = None
        self._recvmsg: RecvMsg
        self._sendall: Callable[[bytes], None]
        self._exchange: Exchange | None = None
        self._offset_ns = 0

    def send(self, request: bytes, sent: Sent) -> None:
        """One request and its answer into `sent`; every failure is an ending, nothing is raised."""
        reused = self._sock is not None and self._reactor.reads(self._sock.fileno())
        self._attempt(request, sent)
        was_closed = not sent.data and (sent.ending.closed or sent.ending.kind is ErrorKind.CUT)
        if reused and was_closed and sent.end_ns - sent.start_ns < _STALE_NS:
            self._attempt(request, sent)  # the server had just closed the idle connection: no answer was begun

    def cut(self) -> None:
        """End the request in flight from our side."""
        if self._exchange is not None:
            self._reactor.end(self._exchange, Ending(cut_by_us=True, text="cut by the suite"))

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._reactor.discard(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _attempt(self, request: bytes, sent: Sent) -> None:
        sent.start_ns, sent.ending, sent.failed = time.monotonic_ns(), Ending(), False
        try:
            with gevent.Timeout(self._timeout_s, TimeoutError()):
                self._connect()
                self._transfer(request, sent)
        except TimeoutError:
            sent.ending = Ending(ErrorKind.TIMEOUT, f"no whole answer within {self._timeout_s:g} s")
        except ssl.SSLError as error:
            sent.ending = Ending(ErrorKind.TLS, str(error))
        except OSError as error:
            sent.ending = Ending(ErrorKind.CONNECT if self._exchange is None else ErrorKind.CUT, str(error))
        self._finish(sent)

    def _connect(self) -> None:
        if self._sock is not None:
            if self._reactor.reads(self._sock.fileno()):
                return
            self.close()
        target = self._target
        sock = gevent.socket.create_connection((target.host, target.port))
        recvmsg = sock._sock.recvmsg  # the kernel's own: the reactor knows that there is something to read
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            enable(sock)
            layer = TlsSocket(sock, recvmsg, tls_context(), target.host) if target.tls else None
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self._recvmsg, self._sendall = (layer.recvmsg, layer.sendall) if layer else (recvmsg, sock.sendall)

    def _transfer(self, request: bytes, sent: Sent) -> None:
        self._exchange = exchange = Exchange(self._recvmsg)
        self._reactor.add(self._sock.fileno(), exchange)
        self._offset_ns = offset_ns()
        sent.start_ns = time.monotonic_ns()
        self._sendall(request)
        exchange.waiter.get()

    def _finish(self, sent: Sent) -> None:
        exchange, self._exchange = self._exchange, None
        sent.end_ns = time.monotonic_ns()
        if exchange is not None:
            if exchange.ending is not None:
                sent.ending = exchange.ending
                if exchange.times and exchange.ending == Ending():
                    sent.end_ns = exchange.times[-1]  # as read; rows give the kernel's time
            exchange.ending = exchange.ending or sent.ending
            sent.data, sent.read_ns = b"".join(exchange.pieces), array("q", exchange.times)
            sent.stamps, sent.offsets_ns = b"".join(exchange.stamps), (self._offset_ns, offset_ns())
            sent.sizes = array("i", map(len, exchange.pieces))
        if not sent.data.endswith(_STREAM_END):
            sent.failed = sent.reply().status is not RequestStatus.OK
        if sent.ending != Ending() or exchange is None or not exchange.reader.keep_alive:
            self.close()

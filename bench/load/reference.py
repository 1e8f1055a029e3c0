"""The reference server: tokens on a known schedule, and a log of when each was really written.

`python -m bench.load.reference --first-ms 20 --gap-ms 10 --port 0` prints {"port": …} and serves until its stdin ends.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import select
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.load.alarm import Alarm
from bench.load.reference_answer import (
    STREAM_END,
    STREAM_HEAD,
    Answer,
    Asked,
    Behaviour,
    add_options,
    event,
    plain,
    plain_answer,
    take_request,
)

_NS_PER_MS = 1_000_000


@dataclass(slots=True, eq=False)
class _Connection:
    sock: socket.socket
    handshake: bool
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    busy: bool = False
    closed: bool = False


@dataclass(slots=True)
class _Stream:
    connection: _Connection
    answer: Answer
    read_ns: int
    log: dict[str, Any]
    next: int = 0


class ReferenceServer:
    """One thread, one epoll; run() serves until `until_fd` reads end of file."""

    def __init__(self, behaviour: Behaviour, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._behaviour, self._tls = behaviour, tls
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll, self._alarm = select.epoll(), Alarm()
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[int, int, _Stream]] = []
        self._completions = 0
        self._logs: list[dict[str, Any]] = []

    def run(self, until_fd: int) -> None:
        """Serve."""
        for fd in (self._listener.fileno(), self._alarm.fd, until_fd):
            self._epoll.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in self._epoll.poll():
                if fd == until_fd:
                    if not os.read(until_fd, 4096):
                        return
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd == self._alarm.fd:
                    self._alarm.clear()
                else:
                    self._serve(self._connections[fd])
            self._write_due()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._connections[sock.fileno()] = _Connection(sock, handshake=self._tls is not None)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _serve(self, connection: _Connection) -> None:
        try:
            if connection.handshake and isinstance(connection.sock, ssl.SSLSocket):
                connection.sock.do_handshake()
                connection.handshake = False
            self._flush(connection)
            self._read(connection)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # epoll calls again when there is more
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        while not connection.closed:
            data = connection.sock.recv(65536)
            read_ns = time.monotonic_ns()
            if not data:
                self._close(connection)
                return
            connection.received += data
            while not connection.busy and (asked := take_request(connection.received)):
                self._answer(connection, asked, read_ns)

    def _answer(self, connection: _Connection, asked: Asked, read_ns: int) -> None:
        if asked.path in ("/v1/completions", "/v1/chat/completions"):
            self._start_stream(connection, asked, read_ns)
        else:
            self._send(connection, plain_answer(asked, self._logs))

    def _start_stream(self, connection: _Connection, asked: Asked, read_ns: int) -> None:
        self._completions += 1
        answer = Answer(self._completions, asked.document(), "chat" in asked.path, self._behaviour)
        if self._behaviour.status and answer.faulty:
            self._send(connection, plain(self._behaviour.status, {"error": {"message": "asked to fail"}}))
            return
        connection.busy = True
        log = {"id": asked.headers.get("x-request-id", str(self._completions)), "read_ns": read_ns, "writes_ns": []}
        self._logs.append(log)
        self._send(connection, STREAM_HEAD + answer.role())
        stream = _Stream(connection, answer, read_ns, log)
        self._plan(stream)

    def _plan(self, stream: _Stream) -> None:
        due_ms = self._behaviour.first_ms + stream.next * self._behaviour.gap_ms
        due_ns = stream.read_ns + int(due_ms * _NS_PER_MS)
        heapq.heappush(self._due, (due_ns, id(stream), stream))
        if self._due[0][2] is stream:
            self._alarm.set(due_ns)

    def _write_due(self) -> None:
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            stream = heapq.heappop(self._due)[2]
            if not stream.connection.closed and self._write_chunk(stream):
                self._plan(stream)
            now_ns = time.monotonic_ns()
        if self._due:
            self._alarm.set(self._due[0][0])

    def _write_chunk(self, stream: _Stream) -> bool:
        """Write the next chunk; whether another is to come."""
        answer, connection = stream.answer, stream.connection
        if answer.faulty and self._misbehave(stream):
            return False
        data = answer.chunk(stream.next)
        stream.log["writes_ns"].append(time.monotonic_ns())
        if self._behaviour.split_bytes:
            self._send(connection, data[: len(data) // 2])
            data = data[len(data) // 2 :]
        self._send(connection, data)
        stream.next += 1
        if stream.next < answer.chunks:
            return True
        self._send(connection, answer.end())
        connection.busy = False
        return False

    def _misbehave(self, stream: _Stream) -> bool:
        behaviour, connection = self._behaviour, stream.connection
        if stream.next == behaviour.stall_after:
            return True
        if stream.next == behaviour.cut_after:
            self._close(connection)
            return True
        if stream.next == behaviour.malformed_after:
            self._send(connection, b"zz\r\nnot a chunk\r\n")
            return True
        if stream.next == behaviour.error_after:
            self._send(connection, event({"error": {"message": "asked to fail", "code": 500}}) + STREAM_END)
            connection.busy = False
            return True
        return False

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.closed:
            return
        if connection.unsent:
            connection.unsent += data  # epoll says when there is room for it
            return
        try:
            sent = connection.sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError:
            self._close(connection)
            return
        if sent < len(data):
            connection.unsent += data[sent:]
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, connection: _Connection) -> None:
        if connection.unsent:
            del connection.unsent[: connection.sock.send(connection.unsent)]
            if not connection.unsent:
                self._epoll.modify(connection.sock.fileno(), select.EPOLLIN)

    def _close(self, connection: _Connection) -> None:
        if not connection.closed:
            connection.closed = True
            del self._connections[connection.sock.fileno()]
            self._epoll.unregister(connection.sock.fileno())
            connection.sock.close()


def main() -> None:
    """Serve until stdin ends, so that no server outlives the one who started it."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.reference", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    add_options(parser)
    options = vars(parser.parse_args())
    port, cert, key = options.pop("port"), options.pop("tls_cert"), options.pop("tls_key")
    tls = None
    if cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
    server = ReferenceServer(Behaviour(**options), port=port, tls=tls)
    sys.stdout.write(json.dumps({"port": server.port}) + "\n")
    sys.stdout.flush()
    server.run(sys.stdin.fileno())


if __name__ == "__main__":
    main()

"""Engines that answer otherwise: a proxy that can go away, and a socket that says who it is and no more."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

# The SDK leaves a socket open when it cannot connect; the collector closes it, with a warning (call gc.collect()).
sdk_leaks_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ENGINE_SOCKET = "/var/run/docker.sock"


class EngineProxy:
    """A unix socket in front of the real engine. After die() every connection breaks, old ones and new ones."""

    def __init__(self, path: Path) -> None:
        self.path, self._is_alive, self._sockets = path, True, list[socket.socket]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(32)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def die(self) -> None:
        self._is_alive = False
        while self._sockets:
            hang_up(self._sockets.pop())

    def close(self) -> None:
        self.die()
        hang_up(self._listener)
        self._thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._is_alive:
                    hang_up(near)
                    continue
                far = socket.socket(socket.AF_UNIX)
                far.connect(ENGINE_SOCKET)
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()


def hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def answering(path: Path, version: dict[str, Any]) -> Iterator[str]:
    """The URL of a socket that gives `version` to whoever asks for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(version).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *words: Any) -> None:
            del words

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()

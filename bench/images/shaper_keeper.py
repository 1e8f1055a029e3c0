"""The proxy of `bench.images.shaper`: two threads for each connection, and one pace for all that the target sends.

What the target sends is spliced through a pipe and never copied into this process: the engine that unpacks at the same
time needs the processor more.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import resource
import socket
import struct
import threading
import time

from bench.images.child import parent_is_gone, read_spec, say
from bench.images.shaper import COUNT

CHUNK_S = 0.01  # of the bandwidth are moved at once
CHUNK_BYTES = (64 << 10, 1 << 20)  # at least, and at most: what a pipe may hold without privileges
UP_BYTES = 64 << 10
CREDIT_S = 0.02  # of silence may be made up for: a busy host wakes a sleeper some milliseconds late
CONNECT_S = 10.0
LOOK_S = 0.25
BITS = 8
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close cuts the connection, and the other end is told


class Pace:
    """Gives each chunk the moment at which it may go; the moments follow each other at the bandwidth.

    A connection pays for one chunk at a time. A client that reads slowly holds up what it has paid for, and no other.
    """

    def __init__(self, bits_per_s: float, count: mmap.mmap) -> None:
        least, most = CHUNK_BYTES
        self.chunk_bytes = min(max(round(bits_per_s * CHUNK_S / BITS), least), most)
        self._bits_per_s = bits_per_s
        self._free_s = 0.0  # when the line is free again
        self._forwarded_bytes = 0
        self._count = count
        self._lock = threading.Lock()

    def wait_for(self, size_bytes: int) -> None:
        """Until the line has carried these bytes."""
        with self._lock:
            now_s = time.monotonic()
            self._free_s = max(self._free_s, now_s - CREDIT_S) + size_bytes * BITS / self._bits_per_s
            wait_s = self._free_s - now_s
        if wait_s > 0:
            time.sleep(wait_s)

    def went(self, size_bytes: int) -> None:
        """The client's connection took them."""
        with self._lock:
            self._forwarded_bytes += size_bytes
            COUNT.pack_into(self._count, 0, self._forwarded_bytes)


def main() -> None:
    """Until the parent is gone; the kernel then closes every connection."""
    spec = read_spec()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count_fd = os.memfd_create("forwarded-bytes")
    os.ftruncate(count_fd, COUNT.size)
    pace = Pace(float(spec["bits_per_s"]), mmap.mmap(count_fd, COUNT.size))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        say(port=server.getsockname()[1], count_fd=count_fd)
        threading.Thread(target=accept, args=(server, int(spec["target_port"]), pace), daemon=True).start()
        while not parent_is_gone(spec, LOOK_S):
            continue


def accept(server: socket.socket, target_port: int, pace: Pace) -> None:
    """Every client gets a connection of its own to the target."""
    while server.fileno() >= 0:
        try:
            client, _ = server.accept()
        except OSError:
            time.sleep(LOOK_S)  # the client has gone already, or no descriptor is left: others end
            continue
        threading.Thread(target=serve, args=(client, target_port, pace), daemon=True).start()


def serve(client: socket.socket, target_port: int, pace: Pace) -> None:
    """Both directions of one connection; when it returns, both ends are closed."""
    with client:
        try:
            target = socket.create_connection(("127.0.0.1", target_port), timeout=CONNECT_S)
        except OSError:
            cut(client)  # no registry is there
            return
        with target:
            target.settimeout(None)
            for end in (client, target):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = threading.Thread(target=upwards, args=(client, target), daemon=True)
            up.start()
            downwards(target, client, pace)
            up.join()


def upwards(client: socket.socket, target: socket.socket) -> None:
    """What the client asks, at once. Its end is passed on, and the answer may still come."""
    chunk = memoryview(bytearray(UP_BYTES))
    try:
        while size := client.recv_into(chunk):
            target.sendall(chunk[:size])
        target.shutdown(socket.SHUT_WR)
    except OSError:
        cut(client, target)


def downwards(target: socket.socket, client: socket.socket, pace: Pace) -> None:
    """What the target answers, at the pace of all."""
    source, sink = target.fileno(), client.fileno()
    try:
        taken, given = os.pipe()
    except OSError:
        cut(client, target)  # no descriptor is left
        return
    try:
        with contextlib.suppress(OSError):  # the kernel's own size serves too
            fcntl.fcntl(given, fcntl.F_SETPIPE_SZ, pace.chunk_bytes)
        while size := os.splice(source, given, pace.chunk_bytes):
            pace.wait_for(size)
            while size:
                went = os.splice(taken, sink, size)
                pace.went(went)
                size -= went
        client.shutdown(socket.SHUT_WR)
    except OSError:
        cut(client, target)
    finally:
        os.close(taken)
        os.close(given)


def cut(*ends: socket.socket) -> None:
    """Wakes the thread that reads from one of them; closing them then tells both sides that this was no proper end."""
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RD)


if __name__ == "__main__":
    main()

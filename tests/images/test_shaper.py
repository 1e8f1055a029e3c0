"""What a server of this host sends is held to a bandwidth, arrives whole, and the proxy leaves nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import PrerequisiteError
from bench.images.shaper import Shaper

FAST = 50e9  # bits per second: more than this loopback carries
HOLDER = """
import json, sys, time
from bench.images.shaper import Shaper
with Shaper(target_port=int(sys.argv[1]), bits_per_s=1e9) as shaper:
    print(json.dumps({"pid": shaper.pid, "address": shaper.address}), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path))


def answer(connection: socket.socket) -> None:
    """`bytes N S`: N bytes drawn from seed S; `length`: how many bytes came until the client's end; `reset`."""
    with connection, connection.makefile("rb") as said:
        word, *rest = said.readline().decode().split()
        if word == "bytes":
            size, seed = map(int, rest)
            connection.sendall(random.Random(seed).randbytes(size))
        elif word == "length":
            connection.sendall(str(len(said.read())).encode())
        elif word == "reset":
            connection.sendall(b"x")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server on the loopback that does what the client's first line says."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, ThreadPoolExecutor(64) as pool:

        def serve() -> None:
            while True:
                try:
                    pool.submit(answer, server.accept()[0])
                except (OSError, RuntimeError):
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def connected(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def fetch(address: str, size: int, seed: int = 1) -> bytes:
    with connected(address) as connection:
        connection.sendall(f"bytes {size} {seed}\n".encode())
        return all_of(connection)


def all_of(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def wait_until(fact: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + 10
    while not fact() and time.monotonic() < until_s:
        time.sleep(0.01)
    return fact()


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize("connections", [1, 3])
def test_all_connections_together_get_the_bandwidth(port: int, connections: int) -> None:
    size = 6_000_000 // connections
    with Shaper(target_port=port, bits_per_s=80e6) as shaper, ThreadPoolExecutor() as pool:
        began_s = time.monotonic()
        got = list(pool.map(lambda seed: fetch(shaper.address, size, seed), range(connections)))
        took_s = time.monotonic() - began_s
    assert 0.8 < sum(map(len, got)) * 8 / took_s / 80e6 < 1.1


def test_bytes_arrive_whole_over_many_connections_and_are_counted(port: int) -> None:
    sizes = [1, 65_536, 1_000_003, *range(100_000, 116_000, 1000)]
    with Shaper(target_port=port, bits_per_s=FAST) as shaper, ThreadPoolExecutor(len(sizes)) as pool:
        assert shaper.address.startswith("127.0.0.1:")
        got = list(pool.map(lambda size: fetch(shaper.address, size, size), sizes))
        assert wait_until(lambda: shaper.forwarded_bytes == sum(sizes))
    for size, data in zip(sizes, got, strict=True):
        assert hashlib.sha256(data).digest() == hashlib.sha256(random.Random(size).randbytes(size)).digest()


def test_what_the_client_sends_is_not_held_and_its_end_is_passed_on(port: int) -> None:
    with Shaper(target_port=port, bits_per_s=1e5) as shaper, connected(shaper.address) as connection:
        connection.sendall(b"length\n" + b"x" * 3_000_000)  # four minutes at that bandwidth
        connection.shutdown(socket.SHUT_WR)
        assert all_of(connection) == b"3000000"


def test_a_client_that_does_not_read_holds_up_no_other(port: int) -> None:
    with Shaper(target_port=port, bits_per_s=400e6) as shaper, connected(shaper.address) as idle:
        idle.sendall(b"bytes 30000000 1\n")
        assert wait_until(lambda: stands_still(shaper))
        began_s = time.monotonic()
        assert len(fetch(shaper.address, 20_000_000)) == 20_000_000
        assert 0.8 < 20_000_000 * 8 / (time.monotonic() - began_s) / 400e6 < 1.1


def stands_still(shaper: Shaper) -> bool:
    """Whether the buffers of a client that does not read are full."""
    before = shaper.forwarded_bytes
    time.sleep(0.1)
    return 0 < before == shaper.forwarded_bytes


def test_a_reset_is_passed_on_both_ways_and_no_descriptor_stays(port: int) -> None:
    with Shaper(target_port=port, bits_per_s=FAST) as shaper:
        before = descriptors(shaper.pid)
        for _ in range(20):
            with connected(shaper.address) as connection:
                connection.sendall(b"reset\n")
                with pytest.raises(ConnectionResetError):
                    while True:
                        assert connection.recv(10), "a reset came as a proper end"
            with connected(shaper.address) as connection:
                connection.sendall(b"bytes 10000000 1\n")
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert wait_until(lambda: descriptors(shaper.pid) == before)
        assert len(fetch(shaper.address, 1000)) == 1000


def test_a_client_is_refused_while_no_server_is_there(free_port: int) -> None:
    with (
        Shaper(target_port=free_port, bits_per_s=FAST) as shaper,
        connected(shaper.address) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.recv(1)


def test_neither_process_nor_port_stays(port: int) -> None:
    with contextlib.ExitStack() as later:
        with Shaper(target_port=port, bits_per_s=1e6) as shaper:
            busy = later.enter_context(connected(shaper.address))
            busy.sendall(b"bytes 10000000 1\n")  # under way at the end, too
            assert busy.recv(1)
        assert is_dead(shaper.pid)
        with pytest.raises(ConnectionRefusedError):
            connected(shaper.address)


def test_it_ends_with_a_parent_that_is_killed(port: int) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        said = json.loads(holder.stdout.readline())
        os.kill(holder.pid, signal.SIGKILL)
        assert wait_until(lambda: is_dead(said["pid"]))
        with pytest.raises(ConnectionRefusedError):
            connected(said["address"])
    finally:
        holder.kill()
        holder.communicate()


def test_a_proxy_that_cannot_start_says_so() -> None:
    with pytest.raises(PrerequisiteError, match="shaper_keeper did not start"):
        Shaper(target_port=1, bits_per_s=float("nan")).__enter__()

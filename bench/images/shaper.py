"""Holds what a registry of this host sends to a bandwidth, so that a pull takes what it would over a slower network.

A proxy on the loopback in a process of its own: pull from `shaper.address`, push to the registry itself. All
connections share the bandwidth, as those of one network card do. It is bandwidth alone: no latency, no loss, none of
TCP's slow start or of what else a long way brings, and what the client sends is not held. Bits are of what TCP
carries: a real link of the same name carries some per cent less, for its headers.
"""

from __future__ import annotations

import os
import struct
from types import TracebackType
from typing import Self

from bench.cache import cache_folder
from bench.images.child import ChildProgram

HELLO_S = 30.0
COUNT = struct.Struct("=Q")  # how the proxy keeps `forwarded_bytes`


class Shaper:
    """`with Shaper(target_port=5000, bits_per_s=1e9) as shaper:` stands before 127.0.0.1:5000 while it lasts."""

    def __init__(self, *, target_port: int, bits_per_s: float) -> None:
        self.bits_per_s = bits_per_s
        self.address = ""  # 127.0.0.1:PORT, once it runs
        self._target_port = target_port
        self._child: ChildProgram | None = None
        self._count_fd = -1

    def __enter__(self) -> Self:
        self._child = ChildProgram(
            "bench.images.shaper_keeper",
            {"target_port": self._target_port, "bits_per_s": self.bits_per_s},
            hello_s=HELLO_S,
            errors=cache_folder() / "registries" / "last-shaper.log",
        )
        hello = self._child.hello
        self.address = f"127.0.0.1:{int(hello['port'])}"
        self._count_fd = os.open(f"/proc/{self.pid}/fd/{int(hello['count_fd'])}", os.O_RDONLY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._count_fd >= 0:
            os.close(self._count_fd)
        if self._child:
            self._child.close()

    @property
    def pid(self) -> int:
        """Of the proxy."""
        assert self._child is not None
        return self._child.pid

    @property
    def forwarded_bytes(self) -> int:
        """What the registry sent and the clients' connections took, until now; HTTP's headers are in it."""
        found: int
        (found,) = COUNT.unpack(os.pread(self._count_fd, COUNT.size, 0))
        return found

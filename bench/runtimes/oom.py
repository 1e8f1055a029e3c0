"""Whether the kernel killed something in a container for want of memory, by Docker's word or the kernel's own log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

KERNEL_LOG = "/dev/kmsg"
RECORD_BYTES = 8192  # the kernel gives one record a read, and none is longer


def was_oom_killed(container: str, state: Mapping[str, Any]) -> bool:
    """Docker's flag follows an event that can be lost, and knows no kill for want of the host's own memory."""
    if state.get("OOMKilled"):
        return True
    is_clean_end = int(state.get("ExitCode") or 0) == 0
    return not is_clean_end and any("oom-kill:" in text and container in text for text in kernel_log())


def kernel_log() -> Iterator[str]:
    """Every record from the oldest that is kept; nothing where this user may not read it."""
    try:
        log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        while True:
            try:
                yield os.read(log, RECORD_BYTES).decode(errors="replace")
            except BrokenPipeError:
                continue  # the record was overwritten while we read: on with the next
            except OSError:
                return  # BlockingIOError: this was the last one
    finally:
        os.close(log)

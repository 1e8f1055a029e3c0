"""What the load driver is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bench.model import Load
from bench.record import StageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadJob:
    """One launch's traffic against one server."""

    url: str  # http(s)://host:port
    model: str
    load: Load
    seed: int  # of the prompts
    t0_ns: int  # all times of the result count from here
    tokenizer: str = "server"  # or the path of a tokenizer.json
    extras: Mapping[str, Any] = field(default_factory=dict)  # engine's keys for the request body
    headers: Mapping[str, str] = field(default_factory=dict)
    process_start_s: float | None = None  # for server_age_s
    keep_chunks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """Facts only: rows and instants."""

    stages: tuple[StageWindow, ...]
    requests: pa.Table  # bench.store.tables.REQUESTS
    chunks: pa.Table | None  # bench.store.tables.CHUNKS
    client: Mapping[
        str, Any
    ]  # {"cpu_s": {"<stage>/<round>": seconds of all load processes in the window}, "pids": […]}

"""The rows of all load processes as one stage: numbered in order of start, with the ramp told from the warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.vocabulary import Phase


@dataclass(frozen=True, slots=True)
class StageRows:
    """One stage's tables, and how many requests were in flight at once."""

    requests: pa.Table
    chunks: pa.Table | None
    in_flight_reached: int
    in_flight_reached_s: float | None  # None where the stage never had all its streams in flight


def gather_stage(files: Sequence[Path], *, first_seq: int, ramped_s: float, streams: int) -> StageRows:
    """Read what the processes wrote to `files`; rows are numbered from `first_seq`."""
    requests = [_read(file, "requests") for file in files]
    chunks = [_read(file, "chunks") for file in files]
    sizes = [0 if table is None else table.num_rows for table in requests]
    table = pa.concat_tables([table for table in requests if table is not None])
    order = pc.sort_indices(table, sort_keys=[("start_s", "ascending")]).to_numpy()
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(first_seq, first_seq + len(order))
    reached, reached_s = in_flight(table["start_s"].to_numpy(), table["end_s"].to_numpy(), streams)
    ramp_end_s = ramped_s if reached_s is None else reached_s
    is_ramp = pc.and_(pc.equal(table["phase"], str(Phase.WARMUP)), pc.less_equal(table["start_s"], ramp_end_s))
    phases = pc.if_else(is_ramp, str(Phase.RAMP), table["phase"])
    table = _with(_with(table, "seq", pa.array(numbers)), "phase", phases).take(pa.array(order))
    merged = None
    parts = [part for part in chunks if part is not None]
    if parts:
        merged = pa.concat_tables(parts)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        own = np.concatenate([part["seq"].to_numpy() + start for part, start in zip(parts, starts, strict=True)])
        merged = _with(merged, "seq", pa.array(numbers[own.astype(np.int64)])).sort_by("seq")
    return StageRows(table, merged, reached, reached_s)


def in_flight(starts_s: Any, ends_s: Any, streams: int) -> tuple[int, float | None]:
    """(most requests in flight at once, when there were first `streams` of them)."""
    if not len(starts_s):
        return 0, None
    times = np.concatenate((starts_s, ends_s))
    steps = np.concatenate((np.ones(len(starts_s)), -np.ones(len(ends_s))))
    order = np.lexsort((steps, times))  # an end comes before a start of the same instant
    level = np.cumsum(steps[order])
    full = np.flatnonzero(level >= streams)
    return int(level.max()), float(times[order][full[0]]) if len(full) else None


def _read(file: Path, name: str) -> pa.Table | None:
    path = Path(f"{file}.{name}")
    if not path.exists():
        return None
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    path.unlink()
    return table


def _with(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), values)

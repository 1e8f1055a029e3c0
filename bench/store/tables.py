"""The columns of a launch's three tables; times are seconds since the launch's t0, null means not known."""

from __future__ import annotations

import pyarrow as pa

REQUESTS = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("round", pa.int32(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),  # vocabulary.Phase: where the request started
        pa.field("seq", pa.int64(), nullable=False),  # from 0, unique within the launch
        pa.field("worker", pa.int32()),
        pa.field("session", pa.string()),  # of a conversation; null for a single request
        pa.field("turn", pa.int32()),
        pa.field("prompt_id", pa.string()),
        pa.field("scheduled_s", pa.float64()),  # open loop: when it was due
        pa.field("start_s", pa.float64()),  # first byte handed to the kernel
        pa.field("headers_s", pa.float64()),
        pa.field("first_token_s", pa.float64()),
        pa.field("first_answer_s", pa.float64()),  # first token that is not reasoning
        pa.field("last_token_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("itl_mean_s", pa.float64()),
        pa.field("itl_max_s", pa.float64()),
        pa.field("chunks", pa.int32()),
        pa.field("prompt_tokens", pa.int32()),  # the server's own count
        pa.field("cached_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),  # the server's own count
        pa.field("window_tokens", pa.int64()),  # output tokens whose chunk arrived inside the stage's window
        pa.field("output_tokens_asked", pa.int32()),
        pa.field("finish_reason", pa.string()),
        pa.field("http_status", pa.int32()),
        pa.field("status", pa.string(), nullable=False),  # vocabulary.RequestStatus
        pa.field("error_kind", pa.string()),  # vocabulary.ErrorKind
        pa.field("error", pa.string()),
    ]
)

CHUNKS = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),  # of the request
        pa.field("offsets_us", pa.list_(pa.int32()), nullable=False),  # microseconds since the request's start
        pa.field("tokens", pa.list_(pa.int32())),  # tokens per chunk where known
    ]
)

TELEMETRY = pa.schema(
    [
        pa.field("t_s", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # host | engine | gpu …
        pa.field("entity", pa.string(), nullable=False),  # host: host | server | client; gpu: its UUID
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

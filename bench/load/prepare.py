"""Before any load: prove the tokenizer, learn what the server adds to a prompt, and write the processes' specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.errors import ArmError
from bench.load.body import PATHS, body_document, request_name, split_body
from bench.load.job import LoadJob
from bench.load.prompts import PromptShape, make_shape
from bench.load.tokenizer import open_tokenizer
from bench.vocabulary import FailureKind, RequestStatus
from bench.wire.request import stream_once

_PROBE = "the quick brown fox jumps over the lazy dog"


def prepare_shape(job: LoadJob) -> tuple[PromptShape, bool]:
    """The shape of the job's prompts, and whether the server reports usage.

    One request shows what the server adds to a prompt (BOS, chat template), so that its own count is what was asked.
    """
    count = open_tokenizer(job.tokenizer, url=job.url, model=job.model, headers=job.headers)
    document = body_document(job, _PROBE, max_tokens=1)
    document.pop("min_tokens", None)
    reply = stream_once(job.url, PATHS[job.load.api], document, timeout_s=job.load.timeout_s, headers=job.headers)
    if reply.status is not RequestStatus.OK:
        raise ArmError(
            FailureKind.CRASHED,
            f"the first request failed: {reply.error_kind}: {reply.error}",
            repair="send one request by hand; the server's log says more",
        )
    overhead = 0 if reply.prompt_tokens is None else reply.prompt_tokens - count(_PROBE)
    return make_shape(count, job.load.input_tokens, overhead, seed=job.seed), reply.prompt_tokens is not None


def worker_specs(job: LoadJob, shape: PromptShape) -> list[Mapping[str, Any]]:
    """One JSON document per load process."""
    before, after = split_body(job)
    request = {
        "url": job.url,
        "path": PATHS[job.load.api],
        "headers": dict(job.headers),
        "before": before,
        "after": after,
        "name": request_name(job),
    }
    return [
        {
            "worker": number,
            "workers": job.load.workers,
            "request": request,
            "shape": asdict(shape),
            "seed": job.seed,
            "t0_ns": job.t0_ns,
            "timeout_s": job.load.timeout_s,
            "output_tokens": job.load.output_tokens,
            "keep_chunks": job.keep_chunks,
        }
        for number in range(job.load.workers)
    ]

"""Request bytes: everything but the prompt is serialised once per job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.load.job import LoadJob
from bench.vocabulary import Api
from bench.wire.request import parse_url

PATHS = {Api.COMPLETIONS: "/v1/completions", Api.CHAT: "/v1/chat/completions"}
_PLACE = "\x00prompt\x00"


def body_document(job: LoadJob, prompt: str, *, max_tokens: int | None = None) -> dict[str, Any]:
    """The body of one request. `max_completion_tokens` is never used: servers differ on it."""
    load = job.load
    asked = {"messages": [{"role": "user", "content": prompt}]} if load.api is Api.CHAT else {"prompt": prompt}
    return {
        "model": job.model,
        **asked,
        "max_tokens": max_tokens or load.output_tokens,
        "temperature": load.temperature,
        "seed": job.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
        **job.extras,
    }


class RequestMaker:
    """Whole HTTP requests around a prompt."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str], before: str, after: str, name: str) -> None:
        target = parse_url(url)
        rows = {"Host": target.host_header, "Content-Type": "application/json", **headers}
        lines = [f"POST {target.path}{path} HTTP/1.1", *(f"{key}: {value}" for key, value in rows.items())]
        self._head = "\r\n".join(lines).encode("latin-1")
        self._before, self._after, self._name = before.encode(), after.encode(), name

    def request(self, key: str, prompt: str) -> bytes:
        """The bytes of the request named `key`; `prompt` needs no escaping in JSON."""
        body = self._before + prompt.encode() + self._after
        tail = f"\r\nX-Request-Id: {self._name}-{key}\r\nContent-Length: {len(body)}\r\n\r\n"
        return self._head + tail.encode("latin-1") + body


def split_body(job: LoadJob) -> tuple[str, str]:
    """The serialised body before and after the prompt."""
    before, after = json.dumps(body_document(job, _PLACE)).split(json.dumps(_PLACE)[1:-1])
    return before, after


def request_name(job: LoadJob) -> str:
    """Prefix of every X-Request-Id of a job; the key of the prompt follows."""
    return f"nimbench-{job.seed}"

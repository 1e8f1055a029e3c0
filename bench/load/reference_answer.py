"""What the reference server says: requests read from bytes, and every chunk of an answer built beforehand."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_type_hints
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The schedule, and the faults that tests ask for. Counts are of chunks; None = never."""

    first_ms: float = 20.0
    gap_ms: float = 10.0
    tokens_per_chunk: int = 1
    reasoning_chunks: int = 0
    extra_prompt_tokens: int = 0  # what a template or a BOS would add
    usage: bool = True
    status: int | None = None  # answer this instead of a stream
    cut_after: int | None = None
    malformed_after: int | None = None
    stall_after: int | None = None
    error_after: int | None = None
    fault_every: int = 1  # only every so-many-th completion misbehaves
    split_bytes: bool = False  # each chunk in two writes, to stress parsers


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for every field of Behaviour."""
    hints = get_type_hints(Behaviour)
    for item in fields(Behaviour):
        flag = "--" + item.name.replace("_", "-")
        if hints[item.name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=item.default)
        else:
            parser.add_argument(flag, type=float if hints[item.name] is float else int, default=item.default)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as read."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object, empty where it is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def take_request(buffer: bytearray) -> Asked | None:
    """The first whole request of `buffer`, removed from it; None when more bytes are needed."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    size = int(headers.get("content-length", "0"))
    if len(buffer) < end + 4 + size:
        return None
    body = bytes(buffer[end + 4 : end + 4 + size])
    del buffer[: end + 4 + size]
    method, _, rest = lines[0].partition(" ")
    url = urlsplit(rest.partition(" ")[0])
    return Asked(method, url.path, url.query, headers, body)


def plain(status: int, document: object) -> bytes:
    """A whole JSON answer."""
    body = json.dumps(document).encode()
    reason = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}.get(status, "Status")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def framed(payload: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def event(document: object) -> bytes:
    """One HTTP chunk with one event."""
    return framed(b"data: %s\n\n" % json.dumps(document, separators=(",", ":")).encode())


def prompt_words(document: dict[str, Any]) -> int:
    """Tokens of the prompt in the reference tokenizer: one per word."""
    if isinstance(document.get("prompt"), str):
        return len(document["prompt"].split())
    messages = document.get("messages") or ()
    return sum(len(str(message.get("content", "")).split()) for message in messages)


def tokenize(document: dict[str, Any]) -> dict[str, Any]:
    """llama.cpp's and vLLM's answer at once."""
    count = len(str(document.get("content", document.get("prompt", ""))).split())
    return {"tokens": list(range(count)), "count": count}


def plain_answer(asked: Asked, logs: Sequence[Mapping[str, Any]]) -> bytes:
    """The whole answer of every route that does not stream."""
    if asked.path == "/writes":
        wanted = parse_qs(asked.query).get("request")
        return plain(200, {"requests": [log for log in logs if wanted is None or log["id"] in wanted]})
    if asked.path == "/tokenize":
        return plain(200, tokenize(asked.document()))
    if asked.path == "/v1/models":
        return plain(200, {"object": "list", "data": [{"id": "reference", "object": "model"}]})
    if asked.path == "/health":
        return plain(200, {"status": "ok"})
    return plain(404, {"error": f"no such path: {asked.path}"})


class Answer:
    """The chunks of one completion; index i is due `first + i * gap` after the request was read."""

    def __init__(self, number: int, document: dict[str, Any], chat: bool, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.tokens = max(1, int(document.get("max_tokens") or 16))
        self.chunks = -(-self.tokens // behaviour.tokens_per_chunk)
        self._chat = chat
        self._base: dict[str, Any] = {"id": f"cmpl-{number}", "object": "chunk", "created": 1, "model": "reference"}
        self._prompt_tokens = prompt_words(document) + behaviour.extra_prompt_tokens
        self._usage = bool((document.get("stream_options") or {}).get("include_usage")) and behaviour.usage
        self.faulty = number % behaviour.fault_every == 0

    def chunk(self, index: int) -> bytes:
        """The bytes of chunk `index`; the last one carries finish_reason."""
        count = min(self.behaviour.tokens_per_chunk, self.tokens - index * self.behaviour.tokens_per_chunk)
        text = "".join(f" t{index}" for _ in range(count))
        finish = "length" if index == self.chunks - 1 else None
        choice: dict[str, Any] = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        if self._chat:
            key = "reasoning_content" if index < self.behaviour.reasoning_chunks else "content"
            choice = {"index": 0, "delta": {key: text}, "finish_reason": finish}
        return event({**self._base, "choices": [choice]})

    def role(self) -> bytes:
        """Chat's first event, which carries no token."""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return event({**self._base, "choices": [choice]}) if self._chat else b""

    def end(self) -> bytes:
        """Usage, [DONE] and the end of the body."""
        usage = {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": self._prompt_tokens + self.tokens,
        }
        last = event({**self._base, "choices": [], "usage": usage}) if self._usage else b""
        return last + framed(b"data: [DONE]\n\n") + STREAM_END

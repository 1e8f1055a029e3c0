"""A streamed OpenAI completion or chat answer from its events: when tokens came, how many, and how it ended."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from typing import Any

from bench.wire.sse import SseEvent, StreamError

_REASONING = ("reasoning_content", "reasoning")
_MOST_COUNT = 1 << 31  # tokens: what is beyond is no count
_MOST_REASON_CHARACTERS = 64


class ServerErrorEvent(Exception):
    """The server reported an error inside the stream."""


class Completion:
    """Facts of one answer; feed it events in order. A chunk is an event that carries a token's text."""

    def __init__(self, *, keep_text: bool = False) -> None:
        self.chunk_ns = array("q")
        self.first_answer_ns: int | None = None  # first chunk that is not reasoning
        self.finish_reason: str | None = None
        self.prompt_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.output_tokens: int | None = None
        self.done = False
        self.text: list[str] | None = [] if keep_text else None
        self._running: list[int | None] = []  # the server's own count after each chunk, where it sends it
        self._like: tuple[bytes, bytes] | None = None  # what surrounds the text in the last whole-parsed chunk

    def feed(self, events: Iterable[SseEvent]) -> None:
        """Take the next events. Raises StreamError for data that is not JSON, ServerErrorEvent for a reported error."""
        for event in events:
            if self._like is not None and event.event == "message" and self._same_shape(event.data):
                self.chunk_ns.append(event.t_ns)
                self._running.append(None)
            else:
                self._read(event)

    def chunk_tokens(self) -> list[int] | None:
        """Tokens per chunk where known: the server's running count, or one each when the totals agree."""
        if not self.chunk_ns:
            return []
        if all(count is not None for count in self._running):
            counts = [count or 0 for count in self._running]
            steps = [b - a for a, b in zip([0, *counts], counts, strict=False)]
            if min(steps) >= 0:
                return steps
        return [1] * len(self.chunk_ns) if self.output_tokens == len(self.chunk_ns) else None

    def _same_shape(self, data: bytes) -> bool:
        """Whether `data` is the last parsed chunk with another plain text in it: then JSON has nothing more to say."""
        before, after = self._like or (b"", b"")
        text = data[len(before) : len(data) - len(after)]
        return (
            bool(text)
            and len(data) > len(before) + len(after)
            and data.startswith(before)
            and data.endswith(after)
            and b'"' not in text
            and b"\\" not in text
        )

    def _read(self, event: SseEvent) -> None:
        if event.data == b"[DONE]":
            self.done = True
            return
        text = event.data.decode("utf-8", "replace")
        if event.event == "error":
            raise ServerErrorEvent(text[:500])
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise StreamError(f"an event that is not JSON: {text[:120]!r}") from None
        if not isinstance(document, dict):
            raise StreamError(f"an event that is not a JSON object: {text[:120]!r}")
        if document.get("error"):
            raise ServerErrorEvent(text[:500])
        self._read_document(document, event)

    def _read_document(self, document: dict[str, Any], event: SseEvent) -> None:
        usage = document.get("usage")
        if isinstance(usage, dict):
            self._read_usage(usage)
        choices = document.get("choices") or []
        if not isinstance(choices, list):
            raise StreamError("choices that are not a list")
        for choice in choices:
            if not isinstance(choice, dict):
                raise StreamError("a choice that is not a JSON object")
            self.finish_reason = _reason(choice.get("finish_reason")) or self.finish_reason
            answer, reasoning = _texts(choice)
            if answer and self.first_answer_ns is None:
                self.first_answer_ns = event.t_ns
            if answer or reasoning:
                self.chunk_ns.append(event.t_ns)
                self._running.append(_count(usage, "completion_tokens"))
            if self.text is not None:
                self.text.append(answer)
            elif answer and usage is None and len(choices) == 1:
                self._like = _surroundings(event.data, answer) if not choice.get("finish_reason") else None

    def _read_usage(self, usage: dict[str, Any]) -> None:
        self.prompt_tokens = _count(usage, "prompt_tokens")
        self.output_tokens = _count(usage, "completion_tokens")
        details = usage.get("prompt_tokens_details")
        self.cached_tokens = _count(details, "cached_tokens")


def _texts(choice: dict[str, Any]) -> tuple[str, str]:
    """(answer, reasoning) of one choice, of either route."""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return _text(choice, "text"), ""
    reasoning = next((text for name in _REASONING if (text := _text(delta, name))), "")
    return _text(delta, "content"), reasoning


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise StreamError(f"{name} that is not a text but {type(value).__name__}")
    return value or ""


def _reason(value: object) -> str | None:
    """Bounded, and without the halves of surrogate pairs that JSON allows and UTF-8 does not."""
    if not isinstance(value, str | int):
        return None
    return str(value)[:_MOST_REASON_CHARACTERS].encode("utf-8", "replace").decode()


def _count(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_COUNT
    return value if is_count else None


def _surroundings(data: bytes, answer: str) -> tuple[bytes, bytes] | None:
    """The bytes before and after the text, where the text stands in `data` once, plainly, as the value of its key."""
    quoted = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")  # half a pair matches nothing
    for key in (b'"text":', b'"content":', b'"text": ', b'"content": '):
        whole = key + quoted
        if data.count(whole) == 1 and data.count(key) == 1:
            before, after = data.split(whole)
            return before + key + b'"', b'"' + after
    return None

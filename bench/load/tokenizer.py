"""Counting tokens: with a local tokenizer.json, or by asking the server's own /tokenize."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.errors import InputError, PrerequisiteError
from bench.wire.request import post_once

Count = Callable[[str], int]  # tokens of a text, without special tokens where the tokenizer can leave them out


def open_tokenizer(name: str, *, url: str, model: str, headers: Mapping[str, str] | None = None) -> Count:
    """The counting function behind `server` or the path of a tokenizer.json."""
    return _server_count(url, model, headers or {}) if name == "server" else _file_count(Path(name))


def _file_count(path: Path) -> Count:
    from tokenizers import Tokenizer

    if path.is_dir():
        path = path / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the library raises bare Exception for every cause
        raise InputError(
            "cannot read the tokenizer", where=str(path), expected="a tokenizer.json of the tokenizers library",
            got=str(error)[:200],
        ) from None  # fmt: skip
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _server_count(url: str, model: str, headers: Mapping[str, str]) -> Count:
    bodies: tuple[Callable[[str], dict[str, object]], ...] = (
        lambda text: {"model": model, "prompt": text, "add_special_tokens": False},  # vLLM, NIM
        lambda text: {"content": text, "add_special": False},  # llama.cpp
    )
    seen = ""
    for body in bodies:
        answer = post_once(url, "/tokenize", body("one two"), headers=headers)
        if answer.status is None:
            raise PrerequisiteError(f"cannot ask the server to count tokens: {answer.error}", where=url)
        if answer.status == 200 and _tokens(answer.json()):
            return lambda text, body=body: _ask(url, body(text), headers)  # type: ignore[misc]
        seen = f"HTTP {answer.status}: {answer.body[:120].decode('utf-8', 'replace')}"
    raise PrerequisiteError(
        "the server does not count tokens",
        where=f"{url}/tokenize",
        expected="llama.cpp's or vLLM's answer",
        got=seen,
        repair="name the model's tokenizer.json as the tokenizer",
    )


def _tokens(document: object) -> int | None:
    if not isinstance(document, dict):
        return None
    count, tokens = document.get("count"), document.get("tokens")
    if isinstance(count, int):
        return count
    return len(tokens) if isinstance(tokens, list) else None


def _ask(url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> int:
    answer = post_once(url, "/tokenize", body, headers=headers)
    count = _tokens(answer.json()) if answer.status == 200 else None
    if count is None:
        raise PrerequisiteError(
            "the server stopped counting tokens", where=f"{url}/tokenize", got=answer.error or f"HTTP {answer.status}"
        )
    return count

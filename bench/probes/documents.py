"""What the server says about itself, as texts for Engine.effective_config; each one optional."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from bench.wire.request import get_once

LOG = "log"
_MOST_LOG_BYTES = 4 * 1024 * 1024  # the start-up is at the top
_TIMEOUT_S = 5.0


def gather_documents(url: str, paths: Iterable[str], log_path: Path) -> dict[str, str]:
    """Path -> text of every document that answered 200, and the head of the log."""
    documents = {}
    for path in paths:
        answer = get_once(url, path, timeout_s=_TIMEOUT_S)
        if answer.status == HTTPStatus.OK:
            documents[path] = answer.body.decode("utf-8", "replace")
    if log_path.exists():
        with log_path.open("rb") as file:
            documents[LOG] = file.read(_MOST_LOG_BYTES).decode("utf-8", "replace")
    return documents

"""What pull and push share: the engine's stream of events, a login only when it is wanted, progress for a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import docker.errors

from bench.dockerhost.credentials import Credentials, credentials_for
from bench.dockerhost.errors import docker_errors
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.images.reference import Reference
from bench.images.refusals import refusal_of, refused
from bench.vocabulary import FailureKind

EVERY_S = 5.0  # between two lines of progress

Attempt = Callable[[Mapping[str, str]], str | None]  # a login for the engine -> what it refused


def with_login_if_wanted(name: Reference, attempt: Attempt, *, arm: str, environ: Mapping[str, str]) -> bool:
    """Anonymous first, then with the user's login; True when none was sent. A refusal becomes an ArmError."""
    said = attempt({})  # an empty login, so that the SDK does not look for one itself
    if said is None:
        return True
    login: Credentials | None = None
    if refusal_of(said).kind in (FailureKind.AUTH, FailureKind.IMAGE_NOT_FOUND):
        login = credentials_for(name.registry, environ)
        said = attempt(login.for_engine()) if login else said
        if said is None:
            return False
    raise _error(name, said, login, arm)


def refused_by(
    events: Callable[[], Iterable[Mapping[str, Any]]], feed: Callable[[Mapping[str, Any]], None], *, arm: str
) -> str | None:
    """Runs the stream to its end; what the engine refused before the first event, or None."""
    with docker_errors("move an image", arm):
        try:
            for event in events():
                feed(event)
        except docker.errors.APIError as error:
            return str(error.explanation or error)
    return None


class Ticker:
    """Tells how far it is, now and then."""

    def __init__(self, progress: Progress, head: str) -> None:
        self._progress, self._head, self._last_s = progress, head, time.monotonic()

    def tick(self, text: Callable[[], str]) -> None:
        """Show `text` if it is time to."""
        now_s = time.monotonic()
        if now_s - self._last_s >= EVERY_S:
            self._last_s = now_s
            self._progress(Event("image", f"{self._head}: {text()}"))


def gigabytes(size_bytes: int) -> str:
    """For a line of progress."""
    return f"{size_bytes / 1e9:.2f} GB"


def _error(name: Reference, said: str, login: Credentials | None, arm: str) -> ArmError:
    kind = refusal_of(said).kind
    text = said
    if kind is FailureKind.AUTH:
        text += f" (with the login from {login.source})" if login else " (without a login: none is known here)"
    return refused(kind, str(name), name.registry, name.repository, text, arm=arm)

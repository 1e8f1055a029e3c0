"""The SDK's exceptions as errors that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import docker
import requests
import urllib3

from bench.dockerhost.refusals import GONE_REPAIR, refusal_of
from bench.errors import ArmError
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

TEXT_CHARACTERS = 600
UNKNOWN_REPAIR = "The engine's own words are above; its log (`journalctl -u docker`) may say more."
# What the SDK raises when nobody answers, by who noticed: requests, urllib3 while a stream is read, or a socket.
SILENCE = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
DOCKER_FAULTS = (docker.errors.DockerException, *SILENCE)  # all that a call can raise


@contextmanager
def docker_errors(what: str, arm: str | None, *, command: str = "") -> Iterator[None]:
    """ArmError for whatever the engine refuses in here. `what` completes "arm 'x': could not …"."""
    try:
        yield
    except DOCKER_FAULTS as error:
        raise arm_error(what, arm, error, command=command) from error


def arm_error(what: str, arm: str | None, error: BaseException, *, command: str = "") -> ArmError:
    """By the engine's own words where it answered; anything else means that it did not."""
    place, text = f"arm {arm!r}: " if arm else "", said_by(error)
    if not isinstance(error, docker.errors.APIError):
        silence = f"{place}could not {what}: the container engine does not answer ({text})"
        return ArmError(FailureKind.ENGINE_GONE, silence, repair=GONE_REPAIR, command=command)
    row = refusal_of(text)
    kind, repair = (row.kind, row.repair) if row else (FailureKind.CRASHED, UNKNOWN_REPAIR)
    return ArmError(kind, f"{place}could not {what}: {text}", repair=repair, command=command)


def said_by(error: BaseException) -> str:
    """The engine's own words without the URL around them, else the innermost cause, redacted and bounded."""
    text = getattr(error, "explanation", None)
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return Redactor().text(" ".join(str(text or error).split()))[:TEXT_CHARACTERS]

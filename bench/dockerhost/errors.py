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
    except docker.errors.DockerException as error:
        is_answer = isinstance(error, docker.errors.APIError)
        raise arm_error(what, arm, said_by(error), is_answer=is_answer, command=command) from error
    except SILENCE as error:
        raise arm_error(what, arm, said_by(error), is_answer=False, command=command) from error


def arm_error(what: str, arm: str | None, text: str, *, is_answer: bool, command: str = "") -> ArmError:
    """`is_answer`: the engine itself said `text`; else nobody answered."""
    place = f"arm {arm!r}: " if arm else ""
    if not is_answer:
        return ArmError(
            FailureKind.ENGINE_GONE,
            f"{place}could not {what}: the container engine does not answer ({text})",
            repair=GONE_REPAIR,
            command=command,
        )
    row = refusal_of(text)
    kind, repair = (row.kind, row.repair) if row else (FailureKind.CRASHED, UNKNOWN_REPAIR)
    return ArmError(kind, f"{place}could not {what}: {text}", repair=repair, command=command)


def said_by(error: BaseException) -> str:
    """The engine's own words without the URL around them, else the innermost cause, redacted and bounded."""
    text = getattr(error, "explanation", None)
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return Redactor().text(" ".join(str(text or error).split()))[:TEXT_CHARACTERS]

"""Waits until an arm serves, watching its processes as well as its port."""

from __future__ import annotations

import http.client
import socket
import time
from urllib.parse import urlsplit

from bench.clock import now_ns
from bench.engines.base import LaunchSpec
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.runtimes.base import Running
from bench.runtimes.failures import classify
from bench.runtimes.log import read_text
from bench.vocabulary import FailureKind, Mark, Network

POLL_S = ((2.0, 0.005), (20.0, 0.02), (float("inf"), 0.1))  # (until this age, pause): the error of READY is one pause
ANSWER_TIMEOUT_S = 5.0
PROGRESS_EVERY_S = 5.0


def wait_ready(running: Running, spec: LaunchSpec, progress: Progress) -> dict[Mark, int]:
    """PORT_OPEN and READY on CLOCK_MONOTONIC; ArmError when a process ends or the time is up."""
    marks: dict[Mark, int] = {}
    start = told = time.monotonic()
    answer = "nothing"
    while (age := time.monotonic() - start) < spec.ready_timeout_s:
        if running.exited() is not None:
            time.sleep(0.1)  # its last words are still on their way into the log
            raise arm_error(running, spec, answer, age)
        if Mark.PORT_OPEN not in marks and is_listening(spec):
            marks[Mark.PORT_OPEN] = now_ns()
        if Mark.PORT_OPEN in marks:
            answer = ask(spec.url, spec.ready_path)
            if answer == "200":
                return marks | {Mark.READY: now_ns()}
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            last = running.log_tail(1)
            progress(Event("mark", f"not ready after {age:.0f} s", {"age_s": age, "answer": answer, "log": last}))
        time.sleep(next(pause for until, pause in POLL_S if age < until))
    raise arm_error(running, spec, answer, spec.ready_timeout_s)


def arm_error(running: Running, spec: LaunchSpec, answer: str, age_s: float) -> ArmError:
    """All that a person needs to go on: cause, repair, last words, the command."""
    failure = classify(spec.engine, read_text(running.log_path), running.exited(), running.log_tail())
    text = f"{failure.text} after {age_s:.1f} s"
    if failure.kind is FailureKind.TIMEOUT:
        text += f" ({spec.url}{spec.ready_path} answered {answer})"
    command = "\n".join(running.paste())
    return ArmError(failure.kind, text, repair=failure.repair, command=command, log_tail=failure.log_tail)


def is_listening(spec: LaunchSpec) -> bool:
    """Docker's proxy accepts before the server in the container listens: there only an answer tells."""
    if spec.container is not None and spec.container.settings.network is Network.PUBLISHED_LOOPBACK:
        return ask(spec.url, spec.ready_path).isdigit()
    return port_opens(spec.url)


def port_opens(url: str) -> bool:
    """Whether somebody accepts a connection."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port or default_port(parts.scheme)), ANSWER_TIMEOUT_S):
            return True
    except OSError:
        return False


def ask(url: str, path: str) -> str:
    """The status code as text, or what went wrong."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def default_port(scheme: str) -> int:
    """80 or 443."""
    return 443 if scheme == "https" else 80

"""Whether an arm's images can be had: pinned, allowed to be read, built from files that are there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.doctor.fact import Check, gib
from bench.errors import ArmError, InputError
from bench.images.registry import resolve
from bench.model import Scenario
from bench.scenario.lock import references, unpinned
from bench.vocabulary import FailureKind

_AT_ONCE = 4  # registries are asked side by side, because each takes its time to refuse
_CONNECT_S = 3.0
_NOT_OUR_FAULT = (FailureKind.DOWNLOAD, FailureKind.RATE_LIMITED)  # another hour or network may answer


def check_images(scenario: Scenario) -> Iterator[Check]:
    """The lock, then every image that will be pulled, then the registry that built ones go to."""
    yield _lock(scenario)
    wanted = list(dict.fromkeys(reference for _, reference in references(scenario)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(_access, wanted)
    if scenario.registry:
        yield _registry(scenario.registry)


def _lock(scenario: Scenario) -> Check:
    loose = unpinned(scenario)
    return Check(
        name="scenario.lock",
        ok=not loose,
        found="; ".join(f"{key}: {reference}" for key, reference in loose) if loose else "every image has its digest",
        expected="a digest for every image, so that a tag that moves changes nothing",
        repair=f"on a host that reaches the registries: nimbench pin {scenario.name}",
    )


def _access(reference: str) -> Check:
    name, expected = f"image {reference}", "can be read, with or without credentials"
    try:
        found = resolve(reference)
    except ArmError as error:
        needed = error.kind not in _NOT_OUR_FAULT
        text = error.text if needed else f"not known: {error.text}"
        return Check(name=name, ok=False, found=text, expected=expected, repair=error.repair, needed=needed)
    except InputError as error:
        return Check(name=name, ok=False, found=error.problem, expected=expected, repair=error.repair or "")
    how = "without a key" if found.anonymous else "with credentials"
    size = f", {gib(found.wire_bytes)} to download" if found.wire_bytes else ""
    return Check(name=name, ok=True, found=f"readable {how}{size}", expected=expected, repair="")


def _registry(address: str) -> Check:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port or 443)), _CONNECT_S).close()
        found = "answers"
    except OSError as error:
        found = f"no connection: {error.strerror or error}"
    return Check(
        name=f"registry {address}",
        ok=found == "answers",
        found=found,
        expected="a registry that takes the built images",
        repair="start it, or change the scenario's key `registry`",
    )

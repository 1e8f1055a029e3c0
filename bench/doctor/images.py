"""Whether an arm's images can be had: pinned, allowed to be read, built from files that are there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.doctor.fact import Check, gib
from bench.errors import ArmError, InputError, PrerequisiteError
from bench.images.own_registry import find_registry
from bench.images.registry import resolve
from bench.model import Scenario
from bench.scenario.image_contradictions import OWN
from bench.scenario.lock import references, unpinned
from bench.vocabulary import FailureKind, ImageAbsent

_AT_ONCE = 4  # registries are asked side by side, because each takes its time to refuse
_CONNECT_S = 3.0
_DIGITS = 12  # of a digest
_NOT_OUR_FAULT = (FailureKind.DOWNLOAD, FailureKind.RATE_LIMITED)  # another hour or network may answer


def check_images(scenario: Scenario, here: Callable[[str], bool]) -> Iterator[Check]:
    """The lock, then every image that will be pulled, then the registry that built ones go to.

    `here` says whether the container engine has an image: where it has, no registry is asked.
    """
    yield _lock(scenario)
    wanted = list(dict.fromkeys(reference for _, reference in references(scenario)))
    may_go = scenario.coldstart.image_absent is not ImageAbsent.NEVER
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda reference: _access(reference, is_here=not may_go and here(reference)), wanted)
    if scenario.registry == OWN:
        yield _own_registry()
    elif scenario.registry:
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


def _access(reference: str, *, is_here: bool) -> Check:
    name, expected = f"image {short(reference)}", "on this host, or readable with or without credentials"
    if is_here:
        return Check(name=name, ok=True, found="on this host already", expected=expected, repair="")
    try:
        found = resolve(reference)
    except ArmError as error:
        needed = error.kind not in _NOT_OUR_FAULT
        text = error.text.partition(": ")[2] or error.text  # the name stands beside it already
        told = text if needed else f"not known: {text}"
        return Check(name=name, ok=False, found=told, expected=expected, repair=error.repair, needed=needed)
    except InputError as error:
        return Check(name=name, ok=False, found=error.problem, expected=expected, repair=error.repair or "")
    how = "without a key" if found.anonymous else "with credentials"
    size = gib(found.wire_bytes)
    return Check(name=name, ok=True, found=f"readable {how}, {size} to download", expected=expected, repair="")


def short(reference: str) -> str:
    """With as much of a digest as tells images apart."""
    name, sign, digest = reference.partition("@sha256:")
    return f"{name}{sign}{digest[:_DIGITS]}"


def _own_registry() -> Check:
    try:
        found, ok, repair = find_registry(), True, ""
    except PrerequisiteError as error:
        found, ok, repair = error.problem, False, error.repair or ""
    return Check(
        name="registry of our own", ok=ok, found=found, expected="Docker's registry as a program", repair=repair
    )


def _registry(address: str) -> Check:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port or 443)), _CONNECT_S).close()
        found = "answers"
    except (OSError, ValueError) as error:  # a name that no resolver takes is a ValueError
        found = f"no connection: {getattr(error, 'strerror', None) or error}"
    return Check(
        name=f"registry {address}",
        ok=found == "answers",
        found=found,
        expected="a registry that takes the built images",
        repair="start it, or change the scenario's key `registry`",
    )

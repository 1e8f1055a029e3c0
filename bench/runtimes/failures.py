"""Why an arm did not serve: the engine's own words where there are any, else how it ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from bench.dockerhost.refusals import GONE_REPAIR, MEMORY_REPAIR, REFUSALS, Refusal, refusal_of
from bench.engines import get_engine
from bench.engines.base import FailurePattern
from bench.record import Failure
from bench.runtimes.base import Exit
from bench.vocabulary import FailureKind

TEXT_CHARACTERS = 300
_SIGNALS = frozenset(signal.Signals)


def classify(engine: str, log: str, exited: Exit | None, log_tail: tuple[str, ...] = ()) -> Failure:
    """The first row of the engine's table that the log holds; else crashed, killed or timeout."""
    end = describe(exited)
    if certain := _certain(exited, end, log_tail):
        return certain
    rows: tuple[Refusal | FailurePattern, ...] = (*_of_the_host(exited), *get_engine(engine).failure_patterns)
    for row in rows:
        if match := row.pattern.search(log):
            words = match.group(0).strip()[:TEXT_CHARACTERS]
            return Failure(kind=row.kind, text=f"{end}: {words}", repair=row.repair, log_tail=log_tail)
    if exited is None:
        repair = "Look for the step at which the log stops; raise the arm's ready_timeout if it was only slow."
        return Failure(kind=FailureKind.TIMEOUT, text=end, repair=repair, log_tail=log_tail)
    if exited.signal == signal.SIGKILL:
        repair = "If nobody killed it, the kernel did for want of memory (`dmesg | grep -i oom`): ask for less."
        return Failure(kind=FailureKind.HOST_MEMORY_KILL, text=end, repair=repair, log_tail=log_tail)
    repair = "The last log lines say more; the command below starts it by hand."
    return Failure(kind=FailureKind.CRASHED, text=end, repair=repair, log_tail=log_tail)


def _of_the_host(exited: Exit | None) -> Iterator[Refusal]:
    """A full disk makes every engine fail in words of its own; one that goes on has only mentioned it."""
    if exited is not None:
        yield from (row for row in REFUSALS if row.kind is FailureKind.DISK_FULL)


def _certain(exited: Exit | None, end: str, log_tail: tuple[str, ...]) -> Failure | None:
    """What the container engine knows for sure comes before any line of a log."""
    if exited is None:
        return None
    if exited.oom:
        return Failure(kind=FailureKind.HOST_MEMORY_KILL, text=end, repair=MEMORY_REPAIR, log_tail=log_tail)
    if exited.gone:
        return Failure(kind=FailureKind.ENGINE_GONE, text=end, repair=GONE_REPAIR, log_tail=log_tail)
    if row := refusal_of(exited.error):
        return Failure(kind=row.kind, text=f"{end}: {exited.error}", repair=row.repair, log_tail=log_tail)
    return None


def describe(exited: Exit | None) -> str:
    """How it ended, in words."""
    if exited is None:
        return "it did not become ready"
    if exited.gone:
        return "the container engine went away"
    if exited.oom:
        code = "" if exited.code is None else f", then {exited.command} ended with exit code {exited.code}"
        return f"the kernel killed it for want of memory{code}"
    if exited.signal in _SIGNALS:
        return f"{exited.command} was ended by {signal.Signals(exited.signal).name}"
    if exited.code is None:
        return f"{exited.command} ended: {exited.error or 'nobody knows how'}"
    return f"{exited.command} ended with exit code {exited.code}"

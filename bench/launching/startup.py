"""From started to serving: ready by the engine's own word, and the first token as the end point that all arms share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.engines.base import LaunchSpec
from bench.errors import ArmError
from bench.probes.coldstart import FirstToken, Probe, steady_ns
from bench.runtimes.base import Running
from bench.runtimes.ready import wait_ready
from bench.vocabulary import FailureKind, Mark

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt

FIRST_TOKEN_TIMEOUT_S = 120.0  # after ready; one engine took 42 s for its first answer


def wait_serving(attempt: Attempt, spec: LaunchSpec, running: Running, probe: Probe) -> dict[Mark, int]:
    """PORT_OPEN, READY and FIRST_TOKEN; ArmError when one of them never comes."""
    first_token = FirstToken(probe)
    try:
        try:
            marks = wait_ready(running, spec, attempt.progress)
        except ArmError as error:
            raise attempt.named(error) from error
        first_token.hurry()
        first_ns = first_token.wait(FIRST_TOKEN_TIMEOUT_S, lambda: running.exited() is None)
    finally:
        first_token.stop()
    if first_ns is not None:
        return marks | {Mark.FIRST_TOKEN: first_ns}
    if running.exited() is not None:
        raise attempt.died(spec, running, "before its first token")
    raise ArmError(
        FailureKind.TIMEOUT,
        f"arm {attempt.arm.name!r} says that it is ready, but gives no token: {first_token.last_error()}",
        repair="Send the request by hand; see that model.id is the name under which the arm serves.",
        command="\n".join(running.paste()),
        log_tail=running.log_tail(),
    )


def steady_mark(probe: Probe) -> dict[Mark, int]:
    """STEADY where the server became so within the bounds of the probe."""
    steady = steady_ns(probe)
    return {} if steady is None else {Mark.STEADY: steady}

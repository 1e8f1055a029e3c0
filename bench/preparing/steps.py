"""Why a one-time step of an arm failed, in the words of its engine where there are any."""

from __future__ import annotations

from pathlib import Path

from bench.engines import get_engine
from bench.errors import ArmError
from bench.model import Arm
from bench.runtimes.once import Finished
from bench.vocabulary import FailureKind

TAIL_LINES = 12
LINE_CHARACTERS = 300
MORE_MEMORY = "Give it more memory, or raise container.memory."
LOOK = "The last lines say more; the command below runs it by hand."


def step_error(arm: Arm, step: str, finished: Finished, line: str, log: Path | None = None) -> ArmError:
    """`line` is the command to paste; `log` holds everything that the step said."""
    end = "ran out of memory" if finished.oom else f"ended with exit code {finished.exit_code}"
    kind, words, repair = said(arm, finished.output)
    if finished.oom:
        kind, repair = FailureKind.HOST_MEMORY_KILL, MORE_MEMORY
    text = f"arm {arm.name!r}: {step} {end}" + (f": {words}" if words else "")
    where = f" All that it said: {log}" if log else ""
    tail = tuple(one[:LINE_CHARACTERS] for one in finished.output.splitlines()[-TAIL_LINES:])
    return ArmError(kind, text, repair=f"{repair}{where}", command=line, log_tail=tail)


def said(arm: Arm, output: str) -> tuple[FailureKind, str, str]:
    """The first row of the engine's table that the output holds: kind, words, repair."""
    for row in get_engine(arm.engine).failure_patterns:
        if match := row.pattern.search(output):
            return row.kind, match.group(0).strip()[:LINE_CHARACTERS], row.repair
    return FailureKind.CRASHED, "", LOOK

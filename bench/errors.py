"""The errors a user may meet, one class per exit code; `cli` prints them without a traceback.

NimbenchError
├── InputError         2  bad input: where, expected, got, repair
├── PrerequisiteError  2  something this machine lacks; nothing was started
├── LimitError         3  measured, but void or a limit was crossed
├── ArmError           4  an arm failed to start or died
└── Interrupted        128 + signal
"""

from __future__ import annotations

from bench.vocabulary import FailureKind


class NimbenchError(Exception):
    """Base of every error that carries its own message and exit code."""

    exit_code = 1


class InputError(NimbenchError):
    """What the user wrote cannot be used."""

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        repair: str | None = None,
    ) -> None:
        self.problem, self.where, self.expected, self.got, self.repair = problem, where, expected, got, repair
        head = f"{where}: {problem}" if where else problem
        rows = (("expected", expected), ("got", got), ("repair", repair))
        super().__init__("\n".join([head, *(f"  {name}: {text}" for name, text in rows if text)]))


class PrerequisiteError(InputError):
    """The machine lacks something that the user can provide."""


class LimitError(NimbenchError):
    """The measurement ended, but is void or crossed a limit."""

    exit_code = 3


class ArmError(NimbenchError):
    """An arm failed to start, or died under load."""

    exit_code = 4

    def __init__(
        self, kind: FailureKind, text: str, *, repair: str, command: str = "", log_tail: tuple[str, ...] = ()
    ) -> None:
        self.kind, self.text, self.repair, self.command, self.log_tail = kind, text, repair, command, log_tail
        lines = [text, f"  repair: {repair}"]
        if log_tail:
            lines += ["  last log lines:", *(f"    {line}" for line in log_tail)]
        if command:
            lines += ["  to try it by hand:", *(f"    {line}" for line in command.splitlines())]
        super().__init__("\n".join(lines))


class Interrupted(NimbenchError):
    """The user or the system asked the run to stop."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"interrupted by signal {signal_number}")

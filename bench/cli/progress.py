"""What a person sees of a run: a live line in a terminal, a plain line per event elsewhere. All of it on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.events import Event, Progress
from bench.model import Plan

_REFRESH_PER_S = 4
_LASTING = ("warning", "block", "run")  # stay on the screen when the live line moves on


@contextmanager
def shown(plan: Plan, *, as_json: bool) -> Iterator[Progress]:
    """The progress callback that fits where stderr goes."""
    if as_json:
        yield _json_line
    elif sys.stderr.isatty() and os.environ.get("CI", "").lower() not in ("true", "1"):
        yield from _live(plan)
    else:
        yield PlainLines(sys.stderr)


def _json_line(event: Event) -> None:
    click.echo(json.dumps({"kind": event.kind, "text": event.text, **event.data}, default=str), err=True)


class PlainLines:
    """One line per event, with the seconds since the start; a repeated line is shown once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._began_s, self._last = stream, time.monotonic(), ""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        line = f"{event.kind}: {event.text}"
        if line != self._last:
            click.echo(f"{time.monotonic() - self._began_s:7.1f} s  {line}", file=self._stream)
        self._last = line


class LiveLine:
    """Block, arm, stage and the time left, redrawn in place; also usable as a rich renderable."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan, self._console = plan, console
        self._began_s, self._first_launch_s = time.monotonic(), 0.0
        self._started = 0  # launches of this session
        self._left = plan.launches
        self._where, self._step = "preparing", ""

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if event.kind == "launch":
            self._first_launch_s = self._first_launch_s or time.monotonic()
            self._started += 1
            self._left = self._plan.launches[int(event.data.get("index", 1)) - 1 :]
            self._where, self._step = event.text, ""
        elif event.kind in _LASTING:
            style = "yellow" if event.kind == "warning" else "green"
            self._console.print(Text(f"{event.kind}: {event.text}", style=style))
        else:
            self._step = event.text

    def eta_s(self) -> float:
        """Seconds left: the plan's estimate until a launch has been timed, then the mean launch so far."""
        done = self._started - 1
        if done < 1:
            return max(0.0, self._plan.expected_s - (time.monotonic() - self._began_s))
        each_s = (time.monotonic() - self._first_launch_s) / (done + 0.5)  # the one under way counts as a half
        return each_s * (len(self._left) - 0.5)

    def __rich__(self) -> Table:
        """The live line."""
        table = Table.grid(padding=(0, 2))
        passed_s = time.monotonic() - self._began_s
        clock = f"{_clock(passed_s)}, about {_clock(self.eta_s())} left"
        table.add_row(Text(self._where, style="bold"), Text(self._step[:80]), Text(clock, style="cyan"))
        return table


def _live(plan: Plan) -> Iterator[Progress]:
    console = Console(stderr=True)
    line = LiveLine(plan, console)
    with Live(line, console=console, refresh_per_second=_REFRESH_PER_S, transient=True):
        yield line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02d}"

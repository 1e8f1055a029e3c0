"""A load process: `python -m bench.load.user SPEC.json`. Commands come on stdin, status lines go to stdout.

Commands: stage, go, window, stop, rows. Locust starts the users and keeps its own statistics; requests are sent by
our streaming client, and read after the stage. Importing locust patches every socket of the process, so only this
program does it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import locust
import pyarrow as pa
from gevent.fileobject import FileObject
from locust.env import Environment
from locust.exception import StopUser

from bench.load.arrivals import ClosedLoop
from bench.load.body import RequestMaker
from bench.load.prompts import PromptMaker, PromptShape
from bench.load.rows import Lag, Sent, Span, make_tables
from bench.load.streams import StageRun, Traffic
from bench.wire.request import parse_url

PULSE_S = 5.0
_PR_SET_PDEATHSIG = 1


class StreamUser(locust.User):
    """One stream of the closed loop."""

    @locust.task
    def stream(self) -> None:
        """Run the stream through the whole stage."""
        _or_end(self.environment.stage.run_stream, self._fire)
        raise StopUser

    def _fire(self, sent: Sent) -> None:
        self.environment.events.request.fire(
            request_type="POST",
            name=self.environment.stage.name,
            response_time=(sent.end_ns - sent.start_ns) / 1e6,
            response_length=len(sent.data),
            exception=sent.ending.text if sent.failed else None,
            context={},
        )


class LoadProcess:
    """Carries out the driver's commands."""

    def __init__(self, spec: dict[str, Any], out_fd: int) -> None:
        self._spec, self._out_fd = spec, out_fd
        maker = RequestMaker(**spec["request"])
        prompts = PromptMaker(PromptShape(**spec["shape"]), spec["seed"])
        self._traffic = Traffic(parse_url(spec["request"]["url"]), spec["timeout_s"], maker, prompts, self.tell)
        self._environment = Environment(user_classes=[StreamUser], catch_exceptions=True)
        self._runner = self._environment.create_local_runner()
        self._stage: StageRun
        self._command: dict[str, Any] = {}
        self._cpu_s: dict[str, float] = {}

    def tell(self, event: str, **facts: Any) -> None:
        """One status line to the driver."""
        os.write(self._out_fd, json.dumps({"event": event, **facts}).encode() + b"\n")

    def run(self) -> None:
        """Serve commands until stdin ends."""
        pa.array([0])  # pyarrow looks for pandas on its first list: not after a stage, where CPU time is counted
        self.tell("ready", pid=os.getpid())
        gevent.spawn(self._pulse)
        for line in FileObject(sys.stdin.fileno(), "rb", close=False):
            command = json.loads(line)
            getattr(self, "do_" + command.pop("do"))(**command)

    def _pulse(self) -> None:
        """Tell the driver every few seconds that the event loop still turns."""
        while True:
            gevent.sleep(PULSE_S)
            self.tell("alive")

    def do_stage(self, **command: Any) -> None:
        """Create the users of a stage; they wait for go."""
        spec, self._command, self._cpu_s = self._spec, command, {}
        loop = ClosedLoop(command["concurrency"], command["ramp_s"], spec["worker"], spec["workers"])
        self._stage = StageRun(self._traffic, loop, command)
        setattr(self._environment, "stage", self._stage)  # noqa: B010 - the users' way to it
        users = len(loop.streams())
        if users:
            self._runner.start(users, spawn_rate=users)
        _quieten_collector()
        self.tell("armed")

    def do_go(self, start_ns: int) -> None:
        """Start the streams; every process starts at the same instant."""
        self._stage.go(start_ns)
        gevent.spawn(_or_end, self._report_drained)

    def do_window(self, start_ns: int, end_ns: int | None) -> None:
        """Measure from `start_ns`, until `end_ns` or until the stage's count is reached."""
        self._stage.open_window(start_ns, end_ns)
        gevent.spawn(self._sample_cpu, "start", start_ns)
        if end_ns is not None:
            gevent.spawn(self._sample_cpu, "end", end_ns)

    def do_stop(self, cut: bool) -> None:
        """Start no more requests."""
        self._stage.stop(cut=cut)

    def do_rows(self, span: dict[str, Any], file: str) -> None:
        """Read everything that came, and write it as Arrow files."""
        command, spec = self._command, self._spec
        facts = {
            "stage": command["stage"], "round": command["round"], "worker": spec["worker"],
            "output_tokens_asked": spec["output_tokens"],
        }  # fmt: skip
        lag = Lag()
        requests, chunks = make_tables(
            self._stage.finished, Span(**span), facts, lag, t0_ns=spec["t0_ns"], keep_chunks=spec["keep_chunks"]
        )
        for name, table in (("requests", requests), ("chunks", chunks)):
            if table is not None:
                with pa.OSFile(f"{file}.{name}", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table)
        start_s = self._cpu_s.get("start", 0.0)
        window_s = self._cpu_s.get("end", start_s) - start_s
        locust_requests = self._environment.stats.total.num_requests
        self._environment.stats.reset_all()
        self.tell(
            "rows",
            **lag.facts(),
            window_cpu_s=window_s,
            total_cpu_s=time.process_time() - start_s,
            locust_requests=locust_requests,
        )

    def _sample_cpu(self, name: str, at_ns: int) -> None:
        gevent.sleep(max(0.0, at_ns / 1e9 - time.monotonic()))
        self._cpu_s[name] = time.process_time()

    def _report_drained(self) -> None:
        self._stage.drained.wait()
        self._cpu_s.setdefault("end", time.process_time())
        if self._runner.user_count:
            self._runner.stop()
        gc.enable()
        measured = [sent for sent in self._stage.finished if sent.measured]
        self.tell(
            "drained",
            requests=len(self._stage.finished),
            first_start_ns=min((sent.start_ns for sent in measured), default=None),
            last_end_ns=max((sent.end_ns for sent in measured), default=None),
        )


def _or_end(step: Callable[..., None], *arguments: Any) -> None:
    """A defect ends the process, and the driver shows its last lines.

    Locust would log it and begin the stream again, and the driver would wait for ever for what was lost.
    """
    try:
        step(*arguments)
    except Exception:  # noqa: BLE001 - whatever it is, going on would hang
        traceback.print_exc()
        os._exit(1)


def _quieten_collector() -> None:
    """No garbage collection while a stage runs: a full one stops every stream for milliseconds."""
    gc.collect()
    gc.freeze()
    gc.disable()


def main() -> None:
    """Run until the driver closes stdin or dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides when to stop
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    out_fd = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not end up between status lines
    path = Path(sys.argv[1])
    spec = json.loads(path.read_text())
    path.unlink()  # its headers may hold a key, and a killed run leaves its temporary folder behind
    LoadProcess(spec, out_fd).run()


if __name__ == "__main__":
    main()

"""How an arm is started, watched and stopped: as processes of this host, or as an endpoint that already runs."""

from __future__ import annotations

from pathlib import Path

from bench.engines.base import LaunchSpec
from bench.errors import PrerequisiteError
from bench.model import Arm
from bench.runtimes.base import Running
from bench.runtimes.endpoint import Endpoint
from bench.runtimes.process import start_processes
from bench.vocabulary import RuntimeKind


def start(spec: LaunchSpec, arm: Arm, *, t0_ns: int, log_path: Path, scratch: Path) -> Running:
    """Start every command of the arm. Its log goes to `log_path`, its files into the existing folder `scratch`."""
    if arm.runtime is RuntimeKind.ENDPOINT:
        return Endpoint(spec.url, log_path)
    if arm.runtime is RuntimeKind.PROCESS:
        return start_processes(spec, arm, t0_ns=t0_ns, log_path=log_path, scratch=scratch)
    raise PrerequisiteError(
        f"arm {arm.name!r} wants a container, and this version starts processes and endpoints only",
        expected="runtime: process or endpoint",
        got=f"runtime: {arm.runtime}",
        repair="Start the container by hand and give its address as the arm's `url`.",
    )

"""How an arm is started, watched and stopped: as processes, as a container, or as an endpoint that already runs."""

from __future__ import annotations

from pathlib import Path

from bench.engines.base import LaunchSpec
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
    from bench.runtimes.docker import start_container  # the SDK takes a moment that only arms in containers pay

    return start_container(spec, arm, t0_ns=t0_ns, log_path=log_path)

"""Container arms of a few kilobytes, for tests of the runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.clock import now_ns
from bench.container import Container, ContainerSpec
from bench.dockerhost.labels import ARM, RUN
from bench.engines.base import LaunchSpec
from bench.model import Arm
from bench.runtimes import start
from bench.vocabulary import RuntimeKind, Side

# As process 1 a program must ask for SIGTERM to get it, as engines do.
SERVE = """
mkdir -p /tmp/www/v1; echo '{"data": []}' >/tmp/www/v1/models; echo serving
trap 'echo leaving; exit 0' TERM
httpd -f -p $PORT -h /tmp/www & wait
"""


def container_spec(image: str, run_id: str, script: str | None = None, **fields: Any) -> ContainerSpec:
    argv = {} if script is None else {"argv": ("sh", "-c", script)}
    return ContainerSpec(image=image, labels={RUN: run_id, ARM: "tiny"}, **argv, **fields)


def server_spec(image: str, run_id: str, port: int, **fields: Any) -> ContainerSpec:
    """BusyBox's HTTP server: 8000 inside, `port` of this host's loopback."""
    env: Mapping[str, str] = {"PORT": "8000"} | fields.pop("env", {})
    return container_spec(image, run_id, SERVE, port=8000, host_port=port, env=env, **fields)


def launch(container: ContainerSpec, port: int, **fields: Any) -> LaunchSpec:
    known = {"ready_path": "/v1/models", "ready_timeout_s": 20.0, "engine": "llamacpp", "metrics_url": None}
    return LaunchSpec(commands=(), url=f"http://127.0.0.1:{port}", container=container, **(known | fields))


def tiny_arm(**fields: Any) -> Arm:
    return Arm(name="tiny", engine="llamacpp", side=Side.BUILD, runtime=RuntimeKind.DOCKER, **fields)


def started(container: ContainerSpec, port: int, folder: Path, **fields: Any) -> Any:
    log_path = folder / "server.log"
    return start(launch(container, port), tiny_arm(**fields), t0_ns=now_ns(), log_path=log_path, scratch=folder)


def with_memory(limit_bytes: int) -> Container:
    return Container(memory_bytes=limit_bytes)

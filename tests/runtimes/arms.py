"""Arms for the tests: real llama.cpp, and small programs that misbehave in one way each."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import clock, runtimes
from bench.engines import get_engine
from bench.engines.base import Command, LaunchSpec, Site
from bench.model import Arm, Model
from bench.runtimes.base import Running
from bench.runtimes.models import resolve_model
from bench.vocabulary import RuntimeKind, Side

DEMO = Path(__file__).parents[2] / "scenarios" / "demo"
TINY = Model(id="tiny-llama", made="tiny-llama", precision="q4_0", max_model_len=512)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def an_arm(**changes) -> Arm:
    facts = {"name": "one", "engine": "llamacpp", "side": Side.BUILD, "runtime": RuntimeKind.PROCESS}
    return Arm(**(facts | changes))


def llama_spec(arm: Arm, scratch: Path, *, model_path: str | None = None, model: Model = TINY) -> LaunchSpec:
    engine, port = get_engine("llamacpp"), free_port()
    path = model_path or resolve_model(model, str(DEMO), "gguf").path
    site = Site(ports={"engine": port}, scratch=str(scratch), python=sys.executable, model_path=path)
    return spec_of(engine.command(arm, model, ("--threads=1",), site), port=port)


def spec_of(*commands: Command, port: int | None = None, timeout_s: float = 60.0) -> LaunchSpec:
    url = f"http://127.0.0.1:{port or free_port()}"
    return LaunchSpec(
        commands=commands,
        url=url,
        ready_path="/health",
        metrics_url=f"{url}/metrics",
        ready_timeout_s=timeout_s,
        engine="llamacpp",
    )


def python_command(code: str, *args: str, name: str = "engine", **more) -> Command:
    return Command(name=name, argv=(sys.executable, "-c", code, *args), **more)


@contextmanager
def started(spec: LaunchSpec, scratch: Path, arm: Arm | None = None) -> Iterator[Running]:
    running = runtimes.start(
        spec, arm or an_arm(), t0_ns=clock.now_ns(), log_path=scratch / "server.log", scratch=scratch
    )
    try:
        yield running
    finally:
        running.stop()


def is_alive(pid: int) -> bool:
    """A zombie that nobody has collected yet does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(fact: Callable[[], object], limit_s: float = 20.0) -> bool:
    """Polls a fact; the limit is for a loaded machine."""
    deadline = time.monotonic() + limit_s
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def read_pid(path: Path) -> int:
    assert until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def environ_of(pid: int) -> dict[str, str]:
    items = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {key.decode(): value.decode() for key, _, value in (item.partition(b"=") for item in items if item)}

"""nginx and the engine as children of one process: the first that ends takes the other with it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import FrameType

from stand_in import NOTICE, VERSION, failures
from stand_in.engines import Engine
from stand_in.log import level, say
from stand_in.profiles import Profile
from stand_in.settings import ENGINE_PORT

TEMPLATE = Path("/opt/stand-in/nginx.conf.in")
PORT = "8000"
LOOK_S = 0.1
STOP_S = 8.0  # below the ten seconds after which Docker kills
QUIET = {"vllm": {"VLLM_LOGGING_LEVEL": "WARNING"}, "llamacpp": {}}
QUIET_WORDS = {"vllm": (), "llamacpp": ("--verbosity", "2")}


class Supervisor:
    """Runs until the engine or nginx ends, or a signal comes."""

    def __init__(self, engine: Engine, command: tuple[str, ...], *, profile: Profile, model: str) -> None:
        self.engine, self.command = engine, command
        self.run_folder = Path(tempfile.mkdtemp(prefix="stand-in-"))
        self.words = {
            "run": str(self.run_folder),
            "port": os.environ.get("NIM_SERVER_PORT", PORT),
            "engine_port": ENGINE_PORT,
            "profile": profile.id,
            "model": re.sub(r"[^\w./-]", "", model),
            "connection": engine.connection,
            "notice": NOTICE,
            "version": VERSION,
        }
        self.stopped_by: int | None = None

    def run(self) -> int:
        """The engine's exit code, 128 + the signal for one that was killed, 0 for a stop that was asked for."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        nginx = subprocess.Popen(["nginx", "-c", str(self._nginx_conf()), "-e", "stderr"])
        engine = subprocess.Popen(self._command(), env=self._environment())
        try:
            while self.stopped_by is None and nginx.poll() is None and engine.poll() is None:
                self._die_in_time(engine)
                time.sleep(LOOK_S)
            ended = engine.poll()
            if ended is not None:
                say(f"{self.engine.name} ended with exit code {ended}")
        finally:
            say("Shutting down services...")
            self._end(engine)
            say("  Stopping nginx...")
            self._end(nginx)
            shutil.rmtree(self.run_folder, ignore_errors=True)
        if self.stopped_by is not None:
            return 0
        if ended is None:
            return 1
        return 128 - ended if ended < 0 else ended or 1

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.stopped_by = number

    def _nginx_conf(self) -> Path:
        """Only names in braces are ours: nginx has its own $host."""
        conf = self.run_folder / "nginx.conf"
        text = TEMPLATE.read_text()
        conf.write_text(re.sub(r"\$\{(\w+)\}", lambda match: self.words[match.group(1)], text))
        return conf

    def _command(self) -> list[str]:
        is_quiet = level() in ("WARNING", "ERROR", "CRITICAL") and "--verbosity" not in self.command
        is_engine = self.command[: len(self.engine.start)] == self.engine.start
        return [*self.command, *(QUIET_WORDS[self.engine.name] if is_quiet and is_engine else ())]

    def _environment(self) -> dict[str, str]:
        """Without the key, which only a download needs; quiet below INFO unless the engine's own variable is set."""
        quiet = QUIET[self.engine.name] if level() in ("WARNING", "ERROR", "CRITICAL") else {}
        return {**quiet, **{name: value for name, value in os.environ.items() if name != "NGC_API_KEY"}}

    def _die_in_time(self, engine: subprocess.Popen[bytes]) -> None:
        """In mode dies_under_load: gone in the middle of an answer, by a fault of its own."""
        limit = failures.deadly_tokens()
        if limit is not None and self._tokens() > limit:
            engine.send_signal(signal.SIGSEGV)
            engine.wait()

    def _tokens(self) -> float:
        """How many the engine has made, by its own counter; 0 before it answers."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{ENGINE_PORT}/metrics", timeout=2) as answer:
                text = answer.read().decode()
            rows = re.findall(rf"^{re.escape(self.engine.tokens_metric)}(?:\{{.*\}})? (\S+)$", text, re.M)
            return sum(map(float, rows))
        return 0.0

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_S / 2)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

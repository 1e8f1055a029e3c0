"""BuildKit through a command line, because the SDK has none: which program can, how it is called, what it said.

`docker build` with DOCKER_BUILDKIT=1 means the same everywhere: clients up to 22 bring BuildKit's protocol themselves,
newer ones call their buildx plugin, with the builder inside the engine. A newer client without the plugin cannot build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.dockerhost.client import endpoint
from bench.errors import PrerequisiteError

PROVE_TIMEOUT_S = 120
LINE_CHARACTERS = 2000
NO_CACHE = "--no-cache"

_STEP = re.compile(r"#(\d+) \[(?!internal\])([^\]]*?\d+/\d+)\] (.*)")  # "#7 [packages 2/4] RUN apt-get …"
_CACHED = re.compile(r"#(\d+) CACHED$")
_ERROR = re.compile(r"#(\d+) ERROR: (.*)")
_OUTPUT = re.compile(r"#(\d+) (?:\d+\.\d+ )?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A docker program that has built something with BuildKit on this host."""

    program: str
    version: str  # in its own words

    @property
    def tool(self) -> str:
        """How a record and `doctor` name it."""
        return f"BuildKit, driven by {self.version}"


@dataclass(slots=True)
class Steps:
    """What a build's plain output tells, line by line."""

    names: dict[str, str] = field(default_factory=dict)  # number -> "[2/4] RUN …", steps of the Dockerfile only
    cached: set[str] = field(default_factory=set)
    failed: str | None = None  # number
    reason: str = ""
    lines: list[str] = field(default_factory=list)

    def feed(self, line: str) -> str | None:
        """Take one line in; the name of a step that begins with it."""
        self.lines.append(line)
        if step := _STEP.match(line):
            is_new = step[1] not in self.names
            if not step[3].startswith("FROM "):  # a base that is here already is no step from a cache
                self.names[step[1]] = f"[{step[2]}] {step[3]}"
            return f"[{step[2]}] {step[3]}" if is_new and step[1] in self.names else None
        if cached := _CACHED.match(line):
            self.cached.add(cached[1])
        elif (error := _ERROR.match(line)) and self.failed is None:
            self.failed, self.reason = error[1], error[2]
        return None

    @property
    def none_cached(self) -> bool:
        """Whether every step of the Dockerfile was carried out."""
        return not self.cached & self.names.keys()

    @property
    def all_cached(self) -> bool:
        """Whether none was."""
        return self.names.keys() <= self.cached

    def tail(self, count: int) -> tuple[str, ...]:
        """The last lines of the step that failed, else of the whole build."""
        own = [found[2] for line in self.lines if (found := _OUTPUT.match(line)) and found[1] == self.failed]
        said = [line for line in own if line.strip() and not line.startswith(("ERROR: ", "["))]
        return tuple((said or [line for line in self.lines if line.strip()])[-count:])


def environment() -> dict[str, str]:
    """Of every call: the engine that the SDK speaks to, its own builder, and an image without attestations."""
    own = {name: value for name, value in os.environ.items() if name not in ("BUILDX_BUILDER", "DOCKER_CONTEXT")}
    return own | {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "DOCKER_HOST": endpoint(os.environ)}


def find_client() -> Client:
    """The first docker program on PATH that builds `FROM scratch`; PrerequisiteError with what each said."""
    return _find_client(os.environ.get("PATH", ""), endpoint(os.environ))


@cache  # one proof a process
def _find_client(path: str, address: str) -> Client:
    del address
    said = []
    for program in _programs(path):
        wrong = _prove(program)
        if wrong is None:
            return Client(program=program, version=_version(program))
        said.append(f"{program}: {wrong}")
    raise PrerequisiteError(
        "no docker program here can build with BuildKit",
        expected="a docker client that builds `FROM scratch` with DOCKER_BUILDKIT=1",
        got="; ".join(said) or "no docker program on PATH",
        repair="install Docker's buildx plugin (package docker-buildx-plugin, docker-buildx or docker-buildx-ce), "
        "or Debian's docker.io",
    )


def _programs(path: str) -> Iterator[str]:
    seen = set()
    for folder in path.split(os.pathsep):
        program = shutil.which("docker", path=folder) if folder else None
        if program and (real := os.path.realpath(program)) not in seen:
            seen.add(real)
            yield program


def _prove(program: str) -> str | None:
    """None when it can; else its last words. The result is a folder, so that no image is left."""
    with tempfile.TemporaryDirectory(prefix="nimbench-") as folder:
        work = Path(folder)
        (work / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /proof\n")
        argv = [program, "build", "--output", f"type=local,dest={work / 'out'}", "--progress=plain", str(work)]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment(),
                timeout=PROVE_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if (work / "out" / "proof").is_file():
            return None
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        return next((line for line in words if line.startswith("ERROR")), words[-1] if words else "it said nothing")


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def follow(argv: Sequence[str], env: Mapping[str, str], take: Callable[[str], None]) -> int:
    """Run it and hand on every line; its exit code. It ends with us."""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
        text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                take(line.rstrip("\n")[:LINE_CHARACTERS])
        except BaseException:
            process.terminate()
            raise
    return process.returncode

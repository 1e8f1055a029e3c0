"""Builds an image with BuildKit, and builds it again to time the cache; everything that decides the result is recorded.

The log holds both builds, redacted. Secrets reach a build as BuildKit secrets only: a step may read
/run/secrets/NAME with `RUN --mount=type=secret,id=NAME`, and no layer, history or log keeps the value.
An earlier build that loses its name to this one stays: a run that lives, or is resumed, starts it by its id.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import docker

from bench.container import Build, BuildRecord, ImageFacts
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.labels import RUN
from bench.dockerhost.refusals import refusal_of
from bench.errors import ArmError, PrerequisiteError
from bench.events import Event, Progress, silent
from bench.images.buildkit import NO_CACHE, Steps, environment, find_client, follow
from bench.images.context import WHEELHOUSE, Staged, argument, staged
from bench.images.local import engine_of, image_facts
from bench.images.wheelhouse import ensure_wheelhouse
from bench.scenario.lock import BASE_IMAGE
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

LOG_LINES = 12
NOT_THE_DOCKERFILE = (FailureKind.DISK_FULL, FailureKind.ENGINE_GONE)


def build_image(
    build: Build,
    *,
    tag: str,
    base: ImageFacts | None,
    arm: str,
    log_path: Path,
    labels: Mapping[str, str] | None = None,
    no_cache: bool = True,
    time_cache: bool = True,
    progress: Progress = silent,
    client: docker.DockerClient | None = None,
) -> tuple[ImageFacts, BuildRecord]:
    """The image under `tag`. `base` becomes BASE_IMAGE and must be on this host; `labels` may not name the run.

    With `time_cache` it is built a second time, every step from the cache.
    """
    redactor = _redactor(build, arm)
    program = find_client()
    wheels = _wheels(build, progress)
    with staged(build, wheels, tag) as stage, _opened(log_path) as log:
        work = _Work(arm=arm, build=build, stage=stage, redactor=redactor, log=log, log_path=log_path, client=client)
        argv = _command(program.program, build, stage, tag, base, labels or {})
        steps, wall_s = work.run([*argv[:-1], NO_CACHE, argv[-1]] if no_cache else argv, progress)
        again, cached_s = work.run(argv, silent) if time_cache else (Steps(), None)
    with engine_of(client) as engine, docker_errors("look at the built image", arm):
        facts, version = image_facts(engine, tag), engine.version()["Version"]
    record = BuildRecord(
        tool=f"{program.tool}, in engine {version}",
        args=redactor.env(build.args),
        base=_base_fact(build, base),
        dockerfile_sha256=stage.dockerfile_sha256,
        context_bytes=stage.bytes,
        wall_s=wall_s,
        cold=steps.none_cached,
        cached_s=cached_s if again.all_cached else None,
        wheelhouse_files=stage.wheelhouse_files,
        wheelhouse_bytes=stage.wheelhouse_bytes,
    )
    return facts, record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One image's builds."""

    arm: str
    build: Build
    stage: Staged
    redactor: Redactor
    log: TextIO
    log_path: Path
    client: docker.DockerClient | None

    def run(self, argv: list[str], progress: Progress) -> tuple[Steps, float]:
        """Steps and seconds; ArmError with the failing step's last lines."""
        steps, began_s = Steps(), time.monotonic()
        line = self.redactor.text(shlex.join(argv))
        self.log.write(f"$ DOCKER_BUILDKIT=1 {line}\n")

        def take(said: str) -> None:
            clean = self.redactor.text(said)
            self.log.write(clean + "\n")
            if name := steps.feed(clean):
                progress(Event("run", f"{self.arm}: building {name[:100]}", {"arm": self.arm, "step": name}))

        code = follow(argv, environment(), take)
        self.log.flush()
        if code:
            if steps.failed is None:  # no step is to blame: was it the engine?
                with engine_of(self.client) as engine, docker_errors("build the image", self.arm):
                    engine.ping()
            raise self.failure(steps, f"DOCKER_BUILDKIT=1 {line}")
        return steps, time.monotonic() - began_s

    def failure(self, steps: Steps, command: str) -> ArmError:
        """A full disk and an engine that is gone are not the Dockerfile's fault."""
        tail = steps.tail(LOG_LINES)
        refusal = refusal_of("\n".join((*tail, steps.reason, *steps.lines[-LOG_LINES:])))
        kind, repair = FailureKind.BUILD_FAILED, f"correct that step of {self.build.context}/{self.build.dockerfile}"
        if refusal and refusal.kind in NOT_THE_DOCKERFILE:
            kind, repair = refusal.kind, refusal.repair
        step = steps.names.get(steps.failed or "", "before its first step")
        return ArmError(
            kind,
            f"arm {self.arm!r}: the image could not be built: {step}{f': {steps.reason}' if steps.reason else ''}",
            repair=f"{repair}; the whole log: {self.log_path}",
            command=command,
            log_tail=tail,
        )


def _command(
    program: str, build: Build, stage: Staged, tag: str, base: ImageFacts | None, labels: Mapping[str, str]
) -> list[str]:
    """The context comes last. A label with the run's id would make every build another image."""
    given = dict(build.args) | ({BASE_IMAGE: base.reference} if base else {})
    return [
        program, "build", "--progress=plain", f"--tag={tag}", f"--file={stage.dockerfile}",
        *([f"--target={build.target}"] if build.target else []),
        *(f"--build-arg={name}={value}" for name, value in sorted(given.items())),
        *(f"--label={name}={value}" for name, value in sorted(labels.items()) if name != RUN),
        *(f"--secret=id={name},env={name}" for name in build.secrets),
        str(stage.folder),
    ]  # fmt: skip


def _redactor(build: Build, arm: str) -> Redactor:
    """Knows the build's secrets whatever they are called; PrerequisiteError where one is not set."""
    missing = [name for name in build.secrets if not os.environ.get(name)]
    if missing:
        raise PrerequisiteError(
            f"the build wants secrets that are not set: {', '.join(missing)}",
            where=f"arms.{arm}.build.secrets",
            repair=f"export {missing[0]}=…",
        )
    return Redactor.knowing(build.args, {f"{name}_SECRET": os.environ[name] for name in build.secrets})


def _wheels(build: Build, progress: Progress) -> Path | None:
    """The folder of wheels to lay beside the Dockerfile; None where none is asked for, or the context has its own."""
    if build.wheelhouse is None or Path(build.context, WHEELHOUSE).exists():
        return None
    return ensure_wheelhouse(build.wheelhouse, progress, python=argument(build, "PYTHON_VERSION"))


def _base_fact(build: Build, base: ImageFacts | None) -> str | None:
    if base is None:
        return argument(build, BASE_IMAGE)
    return base.reference if "@sha256:" in base.reference else f"{base.reference} ({base.digest or base.id})"


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        yield log

"""The contract of an engine: pure functions from an arm and its ports to what must be run. Starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.container import ContainerSpec, ImageFacts
from bench.model import Arm, Model
from bench.vocabulary import FailureKind, Mark

Version = tuple[int, ...]  # (0, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process of an arm, ready to be started."""

    name: str  # "engine" or the name of a sidecar
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to a minimal environment, not to the user's own
    entrypoint: tuple[str, ...] | None = None  # of a container only: replaces the image's own
    files: Mapping[str, str] = field(default_factory=dict)  # written into the launch's scratch folder before the start


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """All that a runtime needs to start one arm."""

    commands: tuple[Command, ...]  # started in this order, stopped in the reverse one
    url: str  # where the load goes, "http://127.0.0.1:PORT"
    ready_path: str  # 200 here means ready, asked of `url`
    metrics_url: str | None  # the engine's own exposition, past any sidecar
    ready_timeout_s: float
    engine: str
    container: ContainerSpec | None = None  # of an arm in a container; `commands` is empty then


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where an arm will run: everything about the place that a command line needs."""

    ports: Mapping[str, int]  # command name -> port on 127.0.0.1
    scratch: str  # folder of this launch, gone after it
    python: str  # interpreter of the arm's own environment
    model_path: str | None  # resolved file or folder; inside the container where there is one
    container: bool = False  # the command runs in a container: listen on all its addresses, at `container_port`
    image: ImageFacts | None = None  # its image, where it is known
    profile_id: str | None = None  # of a NIM, resolved
    host_network: bool = False  # the container has no network of its own: listen on loopback only


@dataclass(frozen=True, slots=True)
class LogPattern:
    """A log line that proves a mark or gives a fact; groups are named after facts."""

    mark: Mark | None
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """A log line that names why an arm did not serve."""

    kind: FailureKind
    pattern: re.Pattern[str]
    repair: str


class Engine(Protocol):
    """One file in bench/engines. Every member is a fact or a pure function."""

    name: str
    ready_path: str
    modules: tuple[str, ...]  # Python modules that must be importable by the arm's interpreter
    documents: tuple[str, ...]  # paths asked for effective_config once the engine is ready, past any sidecar
    container_port: int  # where its images listen; the scenario's arguments do not change it
    metrics_path: str  # of its exposition
    other_metrics_paths: tuple[str, ...]  # where some of its versions have that instead
    model_format: str | None  # "gguf" | "safetensors": which file of a made model it reads
    log_patterns: tuple[LogPattern, ...]
    failure_patterns: tuple[FailurePattern, ...]
    metric_names: Mapping[str, str]  # name in the engine's exposition -> our name in telemetry.parquet
    prefix_lookups: tuple[str, ...]  # our counters whose sum is the tokens looked up in the prefix cache
    lazy_counters: Mapping[str, Version | None]  # ours, not shown before their first event -> first version with them

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """The engine's start command for this arm at this place."""
        ...

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """Keys that this engine wants in a request body beside the standard ones."""
        ...

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """What the engine says it runs with, from {"/v1/models": text, "/metrics": text, "log": text, …}."""
        ...

"""NVIDIA NIM for language models, 1.x and 2.x, and images built FROM one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site
from bench.engines.nim_facts import FAILURES, LOG_LINES, METRIC_NAMES, effective_facts
from bench.errors import InputError
from bench.model import Arm, Model

LOG_LEVEL = {"NIM_LOG_LEVEL": "INFO"}  # of 2.x the default is WARNING: no line of the start-up would be seen


class Nim:
    """Facts of NIM 1.0 to 2.1 from NVIDIA's documentation, and from the logs, listings and expositions of real ones."""

    name = "nim"
    ready_path = "/v1/health/ready"  # by its status; /v1/health/live of 2.x answers before there is an engine
    modules: tuple[str, ...] = ()
    container_port = 8000
    metrics_path = "/v1/metrics"  # NIM 1.0 had it at /metrics only
    model_format: str | None = None  # it reads what its cache holds, of whatever its engine takes
    documents: tuple[str, ...] = (
        "/v1/models",
        "/v1/version",
        "/v1/metadata",
        "/version",
        "/v1/metrics",
        "/metrics",
    )
    log_patterns: tuple[LogPattern, ...] = LOG_LINES
    failure_patterns: tuple[FailurePattern, ...] = FAILURES
    metric_names: Mapping[str, str] = METRIC_NAMES

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """The image's own start, or the arm's `command` with arguments behind it. The arm's own env wins.

        The model is not among the arguments: a NIM knows its own, by its image, profile or NIM_MODEL_PATH.
        """
        del model
        given = (*serve_args, *arm.args)
        if given and not arm.command:
            raise InputError(
                f"the arm {arm.name!r} starts its NIM as the image does, which takes no arguments",
                where=f"arms.{arm.name}",
                expected="command: [nim-serve] (2.x), or no serve_args and args",
                got=" ".join(given),
                repair="give the arm `command: [nim-serve]`; for NIM 1.x say it with NIM_* variables under `env` "
                "(NIM_MAX_MODEL_LEN, NIM_TENSOR_PARALLEL_SIZE)",
            )
        return Command(name="engine", argv=(*(arm.command or ()), *given), env=self._env(arm, site))

    def _env(self, arm: Arm, site: Site) -> dict[str, str]:
        env = dict(LOG_LEVEL)
        if site.profile_id:
            env["NIM_MODEL_PROFILE"] = site.profile_id
            if arm.prepare is not None:  # all that this profile needs was brought before
                env["HF_HUB_OFFLINE"] = "1"
        if site.ports["engine"] != self.container_port:  # with the host's network
            env["NIM_SERVER_PORT"] = str(site.ports["engine"])
        return env | dict(arm.env)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos`, which every engine inside a NIM knows."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """What the server, its log and its image's labels say, the engine inside included."""
        return effective_facts(documents)

"""NVIDIA NIM for language models, 1.x and 2.x, and images built FROM one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site, Version
from bench.engines.facts import has_flag
from bench.engines.nim_facts import FAILURES, LOG_LINES, METRIC_NAMES, effective_facts, generation
from bench.errors import InputError
from bench.model import Arm, Model

LOG_LEVEL = {"NIM_LOG_LEVEL": "INFO"}  # of 2.x the default is WARNING: no line of the start-up would be seen
SERVE = "nim-serve"  # a verb of 2.x


class Nim:
    """Facts of NIM 1.0 to 2.1 from NVIDIA's documentation, and from the logs, listings and expositions of real ones."""

    name = "nim"
    ready_path = "/v1/health/ready"  # by its status; /v1/health/live of 2.x answers before there is an engine
    modules: tuple[str, ...] = ()
    container_port = 8000
    metrics_path = "/v1/metrics"
    other_metrics_paths: tuple[str, ...] = ("/metrics",)  # NIM 1.0 had it there only
    model_format: str | None = None  # it reads what its cache holds, of whatever its engine takes
    documents: tuple[str, ...] = (
        "/v1/models",
        "/v1/version",
        "/v1/metadata",
        "/version",
        "/v1/metrics",
        "/metrics",
        "/get_server_info",  # of an SGLang inside
        "/props",  # of a llama.cpp inside, as stand-ins have it
    )
    log_patterns: tuple[LogPattern, ...] = LOG_LINES
    failure_patterns: tuple[FailurePattern, ...] = FAILURES
    metric_names: Mapping[str, str] = METRIC_NAMES
    prefix_lookups: tuple[str, ...] = ("prefix_cache_queries_total",)  # unless it says which other engine is inside
    lazy_counters: Mapping[str, Version | None] = {}  # likewise

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """The image's own start, or the arm's `command` with arguments behind it. The arm's own env wins.

        The model's path is not among them: a NIM knows its own, by its image, profile or NIM_MODEL_PATH.
        """
        given = (*serve_args, *arm.args)
        _check_start(arm, given, site)
        argv = (*(arm.command or ()), *given)
        return Command(name="engine", argv=argv, env=self._env(arm, model, given, site))

    def _env(self, arm: Arm, model: Model, given: tuple[str, ...], site: Site) -> dict[str, str]:
        """Without a profile, a length and the host's network nothing is set but the log level."""
        env = dict(LOG_LEVEL)
        if site.profile_id:
            env["NIM_MODEL_PROFILE"] = site.profile_id
            if arm.prepare is not None:  # all that this profile needs was brought before
                env["HF_HUB_OFFLINE"] = "1"
        if model.max_model_len and not has_flag(given, "--max-model-len"):
            env["NIM_MAX_MODEL_LEN"] = str(model.max_model_len)
        if site.host_network:
            env["NIM_SERVER_PORT"] = str(site.ports["engine"])
        return env | dict(arm.env)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos`, which every engine inside a NIM knows."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """What the server, its log and its image's labels say, the engine inside included."""
        return effective_facts(documents)


def _check_start(arm: Arm, given: tuple[str, ...], site: Site) -> None:
    """Arguments need a verb that takes them, and a NIM that knows the verb."""
    by_env = "say it with NIM_* variables under `env` (NIM_MAX_MODEL_LEN, NIM_TENSOR_PARALLEL_SIZE)"
    made_by = generation(site.image)
    if given and not arm.command:
        verb = "" if made_by == "1.x" else "give the arm `command: [nim-serve]`, which NIM 2.x has; or "
        raise InputError(
            f"the arm {arm.name!r} starts its NIM as the image does, and that takes no arguments",
            where=f"arms.{arm.name}",
            expected="a command that takes them, or no serve_args and args",
            got=" ".join(given),
            repair=verb + by_env,
        )
    if made_by == "1.x" and arm.command and arm.command[0] == SERVE:
        raise InputError(
            f"the arm {arm.name!r} starts with {SERVE}, which NIM 1.x does not have",
            where=f"arms.{arm.name}.command",
            expected="no command: the image's own start",
            got=f"an image of generation {made_by}",
            repair=f"leave `command` out, and {by_env}",
        )

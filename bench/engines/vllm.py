"""vLLM's OpenAI server: a Python module on this host, as builds without the command need it, or its image's start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site, Version
from bench.engines.facts import first_model, flag_unless, has_flag, known, listen_address, log_facts, normalised, parsed
from bench.engines.vllm_facts import FAILURES, LOG_LINES, METRIC_NAMES, cache_facts
from bench.model import Arm, Model

# Always set: a benchmark must not report to anybody ...
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
OFFLINE = {"HF_HUB_OFFLINE": "1"}  # ... nor wait for a hub that it does not need
SERVE = ("vllm", "serve")  # entrypoint of vLLM's images since October 2025; the model is its first argument
MODULE = "vllm.entrypoints.openai.api_server"  # what they started before; the model is a flag


class Vllm:
    """Facts of vLLM 0.4 to 0.32, checked against real logs."""

    name = "vllm"
    ready_path = "/health"
    modules: tuple[str, ...] = ("vllm", "torch")
    container_port = 8000
    metrics_path = "/metrics"
    other_metrics_paths: tuple[str, ...] = ()
    model_format: str | None = "safetensors"
    documents: tuple[str, ...] = ("/v1/models", "/version", "/metrics")
    log_patterns: tuple[LogPattern, ...] = LOG_LINES
    failure_patterns: tuple[FailurePattern, ...] = FAILURES
    metric_names: Mapping[str, str] = METRIC_NAMES
    prefix_lookups: tuple[str, ...] = ("prefix_cache_queries_total",)  # its own, in tokens as its help says
    lazy_counters: Mapping[str, Version | None] = {}  # it shows all of them from the start, as 0

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """`serve_args` and the arm's own args come last, so they win; what they say is not said before them."""
        given = (*serve_args, *arm.args)
        start, entrypoint, is_positional = _start(arm, site)
        path = site.model_path or (None if arm.command else model.id)  # a model without files here: its name on the hub
        if has_flag(given, "--model"):
            path = None
        facts = (
            *(() if path is None else (path,) if is_positional else (f"--model={path}",)),
            *flag_unless(given, "--served-model-name", model.id),
            f"--host={listen_address(site)}",
            f"--port={site.ports['engine']}",
            *flag_unless(given, "--max-model-len", model.max_model_len),
        )
        brought = site.model_path is not None or arm.prepare is not None
        env = QUIET | (OFFLINE if brought else {}) | dict(arm.env)
        return Command(name="engine", argv=(*start, *facts, *given), env=env, entrypoint=entrypoint)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos` of the body."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """`cache_config_info` of /metrics is the best source there is; the log fills in the rest."""
        model = first_model(documents.get("/v1/models"))
        found = {
            "served_model": model.get("id"),
            "max_model_len": model.get("max_model_len"),
            "engine_version": parsed(documents.get("/version")).get("version"),
        }
        cache = cache_facts(documents.get("/metrics") or "")
        facts = normalised(log_facts(self.log_patterns, documents.get("log")) | known(found) | cache)
        return ({"engine_inside": "vllm"} | facts) if facts else {}


def _start(arm: Arm, site: Site) -> tuple[tuple[str, ...], tuple[str, ...] | None, bool]:
    """Words before the arguments, the entrypoint (None = the image's own), and whether the model is positional."""
    if not site.container:
        return arm.command or (site.python, "-m", MODULE), None, False
    if arm.command:  # an image's entrypoint is a start too: the arm's replaces it
        return (), arm.command, arm.command[-2:] == SERVE
    entrypoint = site.image.entrypoint if site.image else SERVE
    if MODULE in entrypoint:
        return (), None, False
    if entrypoint[-2:] == SERVE:
        return (), None, True
    return (), SERVE, True

"""llama.cpp's own HTTP server, from the xllamacpp wheel: the embedded engine that needs no GPU, Docker or account."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site, Version
from bench.engines.facts import (
    COMMON_FAILURES,
    first_model,
    flag_unless,
    known,
    listen_address,
    log_facts,
    normalised,
    parsed,
)
from bench.model import Arm, Model
from bench.vocabulary import FailureKind, Mark

# By path, not by -m: an arm with an environment of its own has no nimbench in it.
SERVER = Path(__file__).parents[1] / "runtimes" / "llamacpp_server.py"


class LlamaCpp:
    """`bench/runtimes/llamacpp_server.py` is its command line."""

    name = "llamacpp"
    ready_path = "/health"  # 503 while the model loads
    modules: tuple[str, ...] = ("xllamacpp",)
    container_port = 8080
    metrics_path = "/metrics"
    other_metrics_paths: tuple[str, ...] = ()
    model_format: str | None = "gguf"
    documents: tuple[str, ...] = ("/v1/models", "/props", "/metrics")

    # The weights are mapped, so "loaded" is when the first computation can run.
    log_patterns: tuple[LogPattern, ...] = (
        LogPattern(None, re.compile(r"build_info: (?P<engine_version>\S+)")),
        LogPattern(Mark.WEIGHTS_START, re.compile(r"load_model: loading model '")),
        LogPattern(Mark.WEIGHTS_LOADED, re.compile(r"llama threadpool init")),
        LogPattern(
            Mark.KV_READY,
            re.compile(
                r"initializing, n_slots = (?P<slots>\d+), n_ctx_slot = (?P<slot_tokens>\d+), "
                r"kv_unified = '(?P<kv_unified>\w+)'"
            ),
        ),
    )

    failure_patterns: tuple[FailurePattern, ...] = (
        FailurePattern(
            FailureKind.UNSUPPORTED_MODEL,
            re.compile(
                r"(?:no such model file|gguf_init_from_\w+: .*|error loading model: .*|unknown model architecture.*)"
            ),
            "Give a complete GGUF file that this llama.cpp can read; compare its SHA-256 with its source.",
        ),
        FailurePattern(
            FailureKind.PORT_TAKEN,
            re.compile(r"couldn't bind.*|bind: .*|Address already in use"),
            "End the program that holds the port (`ss -ltnp` names it), or plan again with other ports.",
        ),
        FailurePattern(
            FailureKind.KV_CACHE_TOO_SMALL,
            re.compile(r"failed to allocate (?:buffer for )?(?:the )?kv cache.*|failed to find a memory slot.*", re.I),
            "Lower max_model_len or --parallel, or give the machine more memory.",
        ),
        *COMMON_FAILURES,
    )

    metric_names: Mapping[str, str] = {
        "llamacpp:requests_processing": "requests_running",
        "llamacpp:requests_deferred": "requests_waiting",
        "llamacpp:prompt_tokens_total": "prompt_tokens_total",
        "llamacpp:tokens_predicted_total": "output_tokens_total",
        "llamacpp:prompt_tokens_cached_total": "prefix_cache_hits_total",
    }
    # Their help says "prompt tokens processed, excluding cached tokens" and "prompt tokens reused from the cache"
    # (to_metrics() in tools/server/server-task.cpp): together they are the prompts.
    prefix_lookups: tuple[str, ...] = ("prompt_tokens_total", "prefix_cache_hits_total")
    lazy_counters: Mapping[str, Version | None] = {}

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """`serve_args` and the arm's own args come last, so they win. In a container the image's entrypoint serves."""
        given = (*serve_args, *arm.args)
        facts = (
            *flag_unless(given, "--model", site.model_path),
            *flag_unless(given, "--alias", model.id),
            *(("--host=0.0.0.0",) if listen_address(site) == "0.0.0.0" else ()),  # else its own default
            f"--port={site.ports['engine']}",
            *flag_unless(given, "--max-model-len", model.max_model_len),
        )
        if site.container:
            return Command(name="engine", argv=(*facts, *given), env=arm.env, entrypoint=arm.command)
        start = arm.command or (site.python, "-P", str(SERVER))
        return Command(name="engine", argv=(*start, *facts, *given), env=arm.env)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos` of the body."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """Slots and context from /props, weights from /v1/models; a cache that is not unified is one per slot."""
        props, entry = parsed(documents.get("/props")), first_model(documents.get("/v1/models"))
        meta, settings = (_inner(entry, "meta"), _inner(props, "default_generation_settings"))
        slots, context = props.get("total_slots"), settings.get("n_ctx")
        logged = log_facts(self.log_patterns, documents.get("log"))
        found = {
            "served_model": entry.get("id"),
            "engine_version": props.get("build_info"),
            "max_num_seqs": slots,
            "max_model_len": context,
            "kv_cache_tokens": _cache_tokens(slots, context, is_shared=logged.get("kv_unified") == "true"),
            "precision": props.get("model_ftype"),
            "parameters": meta.get("n_params"),
            "weights_bytes": meta.get("size"),
            "model_max_len": meta.get("n_ctx_train"),
            "samplers": json.dumps(_inner(settings, "params").get("samplers")) if settings else None,
        }
        facts = normalised(logged | known(found))
        return ({"engine_inside": "llamacpp"} | facts) if facts else {}


def _cache_tokens(slots: Any, context: Any, *, is_shared: bool) -> int | None:
    if not (isinstance(slots, int) and isinstance(context, int)):
        return None
    return context if is_shared else slots * context


def _inner(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside another one, or {}."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}

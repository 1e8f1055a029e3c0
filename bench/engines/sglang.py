"""SGLang's OpenAI server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site
from bench.engines.facts import COMMON_FAILURES, first_model, has_flag, log_facts, normalised, parsed, pattern
from bench.model import Arm, Model
from bench.vocabulary import FailureKind, Mark

QUIET = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


class Sglang:
    """Facts of SGLang 0.4 to 0.5, from its documentation and a real log."""

    name = "sglang"
    ready_path = "/health_generate"  # /health says yes before the warm-up has ended
    modules: tuple[str, ...] = ("sglang", "torch")
    container_port = 30000
    metrics_path = "/metrics"
    model_format: str | None = "safetensors"
    documents: tuple[str, ...] = ("/v1/models", "/get_server_info", "/metrics")

    log_patterns: tuple[LogPattern, ...] = (
        pattern(Mark.WEIGHTS_START, r"Load weight begin"),
        pattern(
            Mark.WEIGHTS_LOADED,
            r"Load weight end\. (?:elapsed=(?P<weights_load_s>[\d.]+) s, )?type=(?P<architecture>\w+)"
            r"(?:, dtype=torch\.(?P<precision>\w+))?",
        ),
        pattern(
            Mark.KV_READY,
            r"KV Cache (?:is allocated|VA upper bound)\.(?: dtype: (?P<kv_cache_dtype>\S+),)? "
            r"#tokens: (?P<kv_cache_tokens>\d+)",
        ),
        pattern(
            Mark.GRAPHS_READY,
            r"Capture (?:[\w-]+ )*(?:cuda|CUDA) graph end\. (?:Time elapsed: |elapsed=)(?P<graph_capture_s>[\d.]+) s",
        ),
    )
    failure_patterns: tuple[FailurePattern, ...] = (
        FailurePattern(
            FailureKind.GPU_MEMORY,
            re.compile(r"(?:torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory).*"),
            "Lower --mem-fraction-static, or end what else uses the GPU (`nvidia-smi` names it).",
        ),
        *COMMON_FAILURES,
    )
    metric_names: Mapping[str, str] = {
        "sglang:num_running_reqs": "requests_running",
        "sglang:num_queue_reqs": "requests_waiting",
        "sglang:token_usage": "kv_cache_usage_ratio",
        "sglang:prompt_tokens_total": "prompt_tokens_total",
        "sglang:generation_tokens_total": "output_tokens_total",
        "sglang:time_to_first_token_seconds_sum": "ttft_s_sum",
        "sglang:time_to_first_token_seconds_count": "ttft_s_count",
        "sglang:e2e_request_latency_seconds_sum": "e2e_s_sum",
        "sglang:e2e_request_latency_seconds_count": "e2e_s_count",
    }

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """`serve_args` and the arm's own args come last, so they win; QUIET is only overridden."""
        given = (*serve_args, *arm.args)
        python = "python3" if site.container else site.python
        start = arm.command or (python, "-m", "sglang.launch_server")
        path = site.model_path or (None if arm.command else model.id)
        facts = [f"--model-path={path}"] if path and not has_flag(given, "--model-path", "--model") else []
        facts += [] if has_flag(given, "--served-model-name") else [f"--served-model-name={model.id}"]
        facts += [f"--host={'0.0.0.0' if site.container else '127.0.0.1'}", f"--port={site.ports['engine']}"]
        facts += [] if has_flag(given, "--enable-metrics") else ["--enable-metrics"]
        if model.max_model_len and not has_flag(given, "--context-length"):
            facts += [f"--context-length={model.max_model_len}"]
        entrypoint = tuple(start[:1]) if site.container and not arm.command else None
        argv = (*(start[1:] if entrypoint else start), *facts, *given)
        return Command(name="engine", argv=argv, env=QUIET | dict(arm.env), entrypoint=entrypoint)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos` of the body."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """/get_server_info holds every argument; the log what was measured."""
        info = parsed(documents.get("/get_server_info"))
        found = {
            "served_model": first_model(documents.get("/v1/models")).get("id"),
            "engine_version": info.get("version"),
        }
        found = {name: value for name, value in found.items() if value is not None}
        facts = normalised(log_facts(self.log_patterns, documents.get("log")) | found)
        return ({"engine_inside": "sglang"} | facts) if facts else {}

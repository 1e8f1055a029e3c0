"""vLLM's OpenAI server, started as a Python module so that builds without the `vllm` command work too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site
from bench.engines.facts import COMMON_FAILURES, log_facts, parsed
from bench.model import Arm, Model
from bench.vocabulary import FailureKind, Mark

# Always set: a benchmark must not report to anybody, nor wait for a hub that it does not need.
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
# Facts of `vllm:cache_config_info` that decide comparability, under our names.
CACHE_FACTS = {
    "num_gpu_blocks": "kv_blocks",
    "num_cpu_blocks": "kv_cpu_blocks",
    "block_size": "kv_block_tokens",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "enable_prefix_caching": "prefix_caching",
    "cache_dtype": "kv_cache_dtype",
    "kv_cache_memory_bytes": "kv_cache_memory_bytes",
}


def pattern(mark: Mark | None, text: str) -> LogPattern:
    """A row of the table."""
    return LogPattern(mark, re.compile(text))


class Vllm:
    """Facts of vLLM 0.6 to 0.32, checked against real logs."""

    name = "vllm"
    ready_path = "/health"
    modules: tuple[str, ...] = ("vllm", "torch")
    container_port = 8000
    metrics_path = "/metrics"
    model_format: str | None = "safetensors"
    documents: tuple[str, ...] = ("/v1/models", "/version", "/metrics")

    # Rows of one mark: the first that a log holds is the one. Never "the usual line": each proves what it names.
    log_patterns: tuple[LogPattern, ...] = (
        pattern(None, r"Initializing (?:a V1 LLM|an LLM) engine \(v(?P<engine_version>[\w.+]+)"),
        pattern(None, r"(?:vLLM API server version|version) (?P<engine_version>\d+\.\d+[\w.+]*)"),
        pattern(None, r"dtype=torch\.(?P<precision>\w+)"),
        pattern(None, r"max_seq_len=(?P<max_model_len>\d+)"),
        pattern(Mark.WEIGHTS_START, r"Starting to load model|Loading model from scratch"),
        pattern(None, r"Loading weights took (?P<weights_load_s>[\d.]+) seconds"),
        pattern(
            Mark.WEIGHTS_LOADED,
            r"Model loading took (?P<weights_gib>[\d.]+) (?:GB|GiB)(?: memory)? and (?P<model_load_s>[\d.]+) seconds",
        ),
        pattern(Mark.WEIGHTS_LOADED, r"Loading weights took [\d.]+ seconds"),
        pattern(None, r"(?P<compile_cache_hit>Directly load the compiled graph)"),
        pattern(Mark.COMPILED, r"torch\.compile (?:takes|took) (?P<compile_s>[\d.]+) s in total"),
        pattern(
            Mark.COMPILED,
            r"torch\.compile and initial profiling/warmup run together took (?P<compile_and_profile_s>[\d.]+) s",
        ),
        pattern(Mark.KV_READY, r"(?:GPU|CPU) KV cache size: (?P<kv_cache_tokens>[\d,]+) tokens"),
        pattern(
            Mark.GRAPHS_READY,
            r"Graph capturing finished in (?P<graph_capture_s>\d+) secs?(?:, took (?P<graph_gib>-?[\d.]+) GiB)?",
        ),
        pattern(
            None,
            r"init engine \(profile, create kv cache, warmup model\) took (?P<engine_init_s>[\d.]+) s(?:econds)?"
            r"(?: \(compilation: (?P<compilation_s>[\d.]+) s)?",
        ),
    )

    failure_patterns: tuple[FailurePattern, ...] = (
        FailurePattern(
            FailureKind.GPU_MEMORY,
            re.compile(
                r"(?:torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory).*"
                r"|Free memory on device .* is less than desired GPU memory utilization.*"
            ),
            "Lower --gpu-memory-utilization or --max-model-len, or end what else uses the GPU (`nvidia-smi` names it).",
        ),
        FailurePattern(
            FailureKind.KV_CACHE_TOO_SMALL,
            re.compile(
                r"No available memory for the cache blocks.*"
                r"|.*(?:is larger than the available KV cache memory|larger than the maximum number of tokens that can"
                r" be stored in KV cache).*"
            ),
            "Lower --max-model-len, or give the KV cache more memory (--kv-cache-memory-bytes; VLLM_CPU_KVCACHE_SPACE "
            "on a CPU).",
        ),
        FailurePattern(
            FailureKind.DRIVER_TOO_OLD,
            re.compile(r"The NVIDIA driver on your system is too old.*|CUDA driver version is insufficient.*"),
            "Install a driver that serves this CUDA version, or an image built for an older CUDA.",
        ),
        FailurePattern(
            FailureKind.AUTH,
            re.compile(r"(?:401 Client Error|403 Client Error|GatedRepoError|Invalid user token).*"),
            "Give a token that may read this model, through the environment.",
        ),
        FailurePattern(
            FailureKind.DOWNLOAD,
            re.compile(r"(?:LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to 'https://).*"),
            "Put the model on this machine first: model.path of the scenario.",
        ),
        FailurePattern(
            FailureKind.UNSUPPORTED_MODEL,
            re.compile(
                r".*(?:Model architectures \[.*\] (?:are not supported|failed to be inspected)"
                r"|is not a valid model identifier|does not recognize this architecture|Invalid repository ID or local"
                r" directory|SafetensorError|Repo id must be in the form).*"
            ),
            "Give a complete model folder of an architecture that this vLLM supports.",
        ),
        *COMMON_FAILURES,
    )

    metric_names: Mapping[str, str] = {
        "vllm:num_requests_running": "requests_running",
        "vllm:num_requests_waiting": "requests_waiting",
        "vllm:kv_cache_usage_perc": "kv_cache_usage_ratio",
        "vllm:gpu_cache_usage_perc": "kv_cache_usage_ratio",  # until 0.10
        "vllm:prompt_tokens_total": "prompt_tokens_total",
        "vllm:generation_tokens_total": "output_tokens_total",
        "vllm:num_preemptions_total": "preemptions_total",
        "vllm:prefix_cache_queries_total": "prefix_cache_queries_total",
        "vllm:prefix_cache_hits_total": "prefix_cache_hits_total",
        "vllm:time_to_first_token_seconds_sum": "ttft_s_sum",
        "vllm:time_to_first_token_seconds_count": "ttft_s_count",
        "vllm:request_time_per_output_token_seconds_sum": "tpot_s_sum",
        "vllm:request_time_per_output_token_seconds_count": "tpot_s_count",
        "vllm:time_per_output_token_seconds_sum": "tpot_s_sum",  # until 0.11: of each token, not of each request
        "vllm:time_per_output_token_seconds_count": "tpot_s_count",
        "vllm:e2e_request_latency_seconds_sum": "e2e_s_sum",
        "vllm:e2e_request_latency_seconds_count": "e2e_s_count",
    }

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """`serve_args` and the arm's own args come last, so they win; QUIET cannot be forgotten, only overridden."""
        start = arm.command or (site.python, "-m", "vllm.entrypoints.openai.api_server")
        facts = [f"--model={site.model_path}"] if site.model_path else []
        facts += [f"--served-model-name={model.id}"]
        facts += ["--host=127.0.0.1", f"--port={site.ports['engine']}"]
        facts += [f"--max-model-len={model.max_model_len}"] if model.max_model_len else []
        return Command(name="engine", argv=(*start, *facts, *serve_args, *arm.args), env=QUIET | dict(arm.env))

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos` of the body."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """`cache_config_info` of /metrics is the best source there is; the log fills in the rest."""
        model = (parsed(documents.get("/v1/models")).get("data") or [{}])[0]
        found = {
            "served_model": model.get("id"),
            "max_model_len": model.get("max_model_len"),
            "engine_version": parsed(documents.get("/version")).get("version"),
        }
        found |= cache_facts(documents.get("/metrics") or "")
        return log_facts(self.log_patterns, documents.get("log")) | {k: v for k, v in found.items() if v is not None}


def cache_facts(exposition: str) -> dict[str, str | None]:
    """The labels of `vllm:cache_config_info` that CACHE_FACTS names."""
    line = re.search(r"^vllm:cache_config_info\{(.*)\} ", exposition, re.M)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', line.group(1))) if line else {}
    return {ours: labels[theirs] for theirs, ours in CACHE_FACTS.items() if labels.get(theirs) not in (None, "None")}

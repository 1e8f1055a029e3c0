"""What vLLM says in its log and metrics: the rows that prove marks, tell facts and name failures."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bench.engines.base import FailurePattern, LogPattern
from bench.engines.facts import COMMON_FAILURES, GPU_FAILURES, HUB_FAILURES, OUT_OF_GPU_MEMORY, failure, pattern
from bench.vocabulary import FailureKind, Mark

# Facts of `vllm:cache_config_info` that decide comparability, under our names.
CACHE_FACTS = {
    "num_gpu_blocks": "kv_blocks",
    "num_cpu_blocks": "kv_cpu_blocks",
    "block_size": "kv_block_tokens",
    "kv_cache_size_tokens": "kv_cache_tokens",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "enable_prefix_caching": "prefix_caching",
    "cache_dtype": "kv_cache_dtype",
    "kv_cache_memory_bytes": "kv_cache_memory_bytes",
}
ENGINE_STARTS = r"Initializing (?:a V1 LLM|an LLM) engine \(v"

# Rows of one mark: the first that a log holds is the one. Never "the usual line": each proves what it names.
LOG_LINES: tuple[LogPattern, ...] = (
    pattern(None, ENGINE_STARTS + r"(?P<engine_version>[\w.+]+)"),
    pattern(None, r"(?:vLLM API server version|[▀▄█]\s+version) (?P<engine_version>\d+\.\d+[\w.+]*)"),
    pattern(None, r"dtype=torch\.(?P<precision>\w+)"),
    pattern(None, r"max_seq_len=(?P<max_model_len>\d+)"),
    pattern(None, r"Initializing .* engine .*[( ,]tensor_parallel_size=(?P<tensor_parallel_size>\d+)"),
    pattern(None, r"Initializing .* engine .*[( ,]quantization=(?P<quantization>[\w-]+)"),
    pattern(None, r"Initializing .* engine .*[( ,]kv_cache_dtype=(?P<kv_cache_dtype>[\w.]+)"),
    pattern(None, r"Initializing .* engine .*[( ,]enable_prefix_caching=(?P<prefix_caching>True|False)"),
    pattern(
        None, r"Initializing .* engine .*[( ,]speculative_config=(?P<speculative>None|SpeculativeConfig\([^)]{0,200}\))"
    ),
    pattern(None, r"non-default args: .*'max_num_seqs': (?P<max_num_seqs>\d+)"),
    pattern(None, r"non-default args: .*'kv_cache_memory_bytes': (?P<kv_cache_memory_bytes>\d+)"),
    pattern(None, r"max_num_batched_tokens=(?P<max_num_batched_tokens>\d+)"),
    pattern(None, r"Using (?P<attention_backend>\w+|Flash Attention) (?:attention )?backend"),
    pattern(Mark.WEIGHTS_START, r"Starting to load model|Loading model from scratch"),
    pattern(None, r"Loading weights took (?P<weights_load_s>[\d.]+) seconds"),
    pattern(
        Mark.WEIGHTS_LOADED,
        r"Model loading took (?P<weights_gib>[\d.]+) (?:GB|GiB)(?: memory)? and (?P<model_load_s>[\d.]+) seconds",
    ),
    pattern(Mark.WEIGHTS_LOADED, r"Loading weights took [\d.]+ seconds"),
    pattern(Mark.WEIGHTS_LOADED, r"Loading model weights took (?P<weights_gib>[\d.]+) GB"),  # until 0.8
    pattern(None, r"(?P<compile_cache_hit>Directly load the compiled graph|Cache the graph of)"),
    pattern(Mark.COMPILED, r"torch\.compile (?:takes|took) (?P<compile_s>[\d.]+) s in total"),
    pattern(
        Mark.COMPILED,
        r"torch\.compile and initial profiling/warmup run together took (?P<compile_and_profile_s>[\d.]+) s",
    ),
    pattern(Mark.KV_READY, r"(?:GPU|CPU) KV cache size: (?P<kv_cache_tokens>[\d,]+) tokens"),
    pattern(Mark.KV_READY, r"# (?:GPU|cuda|CPU|cpu) blocks: (?P<kv_blocks>[1-9]\d*)"),  # until 0.8
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
FAILURES: tuple[FailurePattern, ...] = (
    failure(
        FailureKind.GPU_MEMORY,
        OUT_OF_GPU_MEMORY + r"|Free memory on device .* is less than desired GPU memory utilization.*",
        "Lower --gpu-memory-utilization or --max-model-len, or end what else uses the GPU (`nvidia-smi` names it).",
    ),
    failure(
        FailureKind.KV_CACHE_TOO_SMALL,
        r"No available memory for the cache blocks.*"
        r"|^.*(?:is larger than the available KV cache memory|larger than the maximum number of tokens that can"
        r" be stored in KV cache).*",
        "Lower --max-model-len, or give the KV cache more memory (--kv-cache-memory-bytes; VLLM_CPU_KVCACHE_SPACE "
        "on a CPU).",
    ),
    failure(
        FailureKind.HOST_MEMORY_KILL,
        r"Insufficient space in /dev/shm.*",
        "Give the container more shared memory: container.shm_size (Docker gives 64 MiB unless told), or ipc: host.",
    ),
    *GPU_FAILURES,
    *HUB_FAILURES,
    failure(
        FailureKind.UNSUPPORTED_MODEL,
        r"^.*(?:Model architectures \[.*\] (?:are not supported|failed to be inspected)"
        r"|is not a valid model identifier|does not recognize this architecture|Invalid repository ID or local"
        r" directory|SafetensorError|Repo id must be in the form).*",
        "Give a complete model folder of an architecture that this vLLM supports.",
    ),
    *COMMON_FAILURES,
)
METRIC_NAMES: Mapping[str, str] = {
    "vllm:num_requests_running": "requests_running",
    "vllm:num_requests_waiting": "requests_waiting",
    "vllm:kv_cache_usage_perc": "kv_cache_usage_ratio",
    "vllm:gpu_cache_usage_perc": "kv_cache_usage_ratio",  # until 0.10
    "vllm:prompt_tokens_total": "prompt_tokens_total",
    "vllm:generation_tokens_total": "output_tokens_total",
    "vllm:num_preemptions_total": "preemptions_total",
    "vllm:prefix_cache_queries_total": "prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total": "prefix_cache_hits_total",
    "vllm:external_prefix_cache_hits_total": "external_prefix_cache_hits_total",
    "vllm:time_to_first_token_seconds_sum": "ttft_s_sum",
    "vllm:time_to_first_token_seconds_count": "ttft_s_count",
    "vllm:time_to_first_token_seconds_bucket": "ttft_s_le",
    "vllm:request_time_per_output_token_seconds_sum": "tpot_s_sum",
    "vllm:request_time_per_output_token_seconds_count": "tpot_s_count",
    "vllm:time_per_output_token_seconds_sum": "tpot_s_sum",  # until 0.11: of each token, not of each request
    "vllm:time_per_output_token_seconds_count": "tpot_s_count",
    "vllm:e2e_request_latency_seconds_sum": "e2e_s_sum",
    "vllm:e2e_request_latency_seconds_count": "e2e_s_count",
}


def cache_facts(exposition: str) -> dict[str, str]:
    """The labels of `vllm:cache_config_info` that CACHE_FACTS names."""
    line = re.search(r"^vllm:cache_config_info\{(.*)\} ", exposition, re.M)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', line.group(1))) if line else {}
    return {ours: labels[theirs] for theirs, ours in CACHE_FACTS.items() if labels.get(theirs) not in (None, "None")}

"""SGLang's OpenAI server. Its flags are its own: `serve_args` in vLLM's words do not fit an arm of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.engines.base import Command, FailurePattern, LogPattern, Site, Version
from bench.engines.facts import (
    COMMON_FAILURES,
    GPU_FAILURES,
    HUB_FAILURES,
    OUT_OF_GPU_MEMORY,
    failure,
    first_model,
    flag_unless,
    has_flag,
    known,
    listen_address,
    log_facts,
    normalised,
    parsed,
    pattern,
)
from bench.model import Arm, Model
from bench.vocabulary import FailureKind, Mark

QUIET = {"DO_NOT_TRACK": "1"}
OFFLINE = {"HF_HUB_OFFLINE": "1"}
MODULE = ("-m", "sglang.launch_server")
# Arguments of the server, as the log and /get_server_info hold them, under our names.
ARGUMENTS = {
    "quantization": "quantization",
    "kv_cache_dtype": "kv_cache_dtype",
    "speculative_algorithm": "speculative",
    "attention_backend": "attention_backend",
    "mem_fraction_static": "mem_fraction_static",
    "tp_size": "tensor_parallel_size",
    "context_length": "max_model_len",
    "max_running_requests": "max_num_seqs",
    "chunked_prefill_size": "max_num_batched_tokens",
}


class Sglang:
    """Facts of SGLang 0.4 to 0.5, from its documentation and a real log of 0.4.6."""

    name = "sglang"
    ready_path = "/health_generate"  # /health says yes before the warm-up has ended
    modules: tuple[str, ...] = ("sglang", "torch")
    container_port = 30000
    metrics_path = "/metrics"
    other_metrics_paths: tuple[str, ...] = ()
    model_format: str | None = "safetensors"
    documents: tuple[str, ...] = ("/v1/models", "/get_server_info", "/metrics")

    log_patterns: tuple[LogPattern, ...] = (
        pattern(Mark.WEIGHTS_START, r"Load weight begin"),
        pattern(
            Mark.WEIGHTS_LOADED,
            r"Load weight end\. (?:elapsed=(?P<weights_load_s>[\d.]+) s, )?type=(?P<architecture>\w+)"
            # "GB" of 2**30 bytes, on this rank's card. A draft model has a line of its own, after it.
            r"(?:, dtype=torch\.(?P<precision>\w+))?(?:.*\bmem usage=(?P<weights_gib>[\d.]+) GB)?",
        ),
        pattern(
            Mark.KV_READY,
            r"KV Cache (?:is allocated|VA upper bound)\.(?: dtype: (?:torch\.)?(?P<kv_cache_dtype>[^\s,]+),)? "
            r"#tokens: (?P<kv_cache_tokens>\d+)",
        ),
        pattern(
            Mark.GRAPHS_READY,
            r"Capture (?:[\w-]+ )*(?:cuda|CUDA) graph end\. (?:Time elapsed: |elapsed=)(?P<graph_capture_s>[\d.]+) s",
        ),
        pattern(
            None,
            r"max_total_num_tokens=(?P<kv_cache_tokens>\d+), chunked_prefill_size=(?P<max_num_batched_tokens>\d+),"
            r".* max_running_requests=(?P<max_num_seqs>\d+), context_len=(?P<max_model_len>\d+)",
        ),
        pattern(None, r"Use (?P<attention_backend>\w+) backend by default"),
        pattern(None, r"ServerArgs\(.*\bserved_model_name='(?P<served_model>[^']+)'"),
        pattern(None, r"ServerArgs\(.*\bquantization='?(?P<quantization>\w+)"),
        pattern(None, r"ServerArgs\(.*\bkv_cache_dtype='?(?P<kv_cache_dtype>\w+)"),
        pattern(None, r"ServerArgs\(.*\bspeculative_algorithm='?(?P<speculative>\w+)"),
        pattern(None, r"ServerArgs\(.*\battention_backend='?(?P<attention_backend>\w+)"),
        pattern(None, r"ServerArgs\(.*\bmem_fraction_static=(?P<mem_fraction_static>[\d.]+)"),
        pattern(None, r"ServerArgs\(.*\btp_size=(?P<tensor_parallel_size>\d+)"),
        pattern(None, r"ServerArgs\(.*\bdisable_radix_cache=(?P<radix_cache_off>True|False)"),
    )
    failure_patterns: tuple[FailurePattern, ...] = (
        failure(
            FailureKind.GPU_MEMORY,
            OUT_OF_GPU_MEMORY,
            "Lower --mem-fraction-static, or end what else uses the GPU (`nvidia-smi` names it).",
        ),
        failure(
            FailureKind.KV_CACHE_TOO_SMALL,
            r"Not enough memory[.;] Please try to increase --mem-fraction-static.*",
            "Raise --mem-fraction-static, or lower --context-length and --max-total-tokens.",
        ),
        *GPU_FAILURES,
        *HUB_FAILURES,
        failure(
            FailureKind.UNSUPPORTED_MODEL,
            r"^.*(?:Model architectures \[.*\] are not supported|does not recognize this architecture"
            r"|SafetensorError|Repo id must be in the form).*",
            "Give a complete model folder of an architecture that this SGLang supports.",
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
        "sglang:num_retracted_requests_total": "preemptions_total",  # its word for a preemption
        "sglang:cached_tokens_total": "prefix_cache_hits_total",
        "sglang:time_to_first_token_seconds_count": "ttft_s_count",
        "sglang:time_to_first_token_seconds_bucket": "ttft_s_le",
        "sglang:request_time_per_output_token_seconds_sum": "tpot_s_sum",  # 0.5.23; before it, no mean of requests
        "sglang:request_time_per_output_token_seconds_count": "tpot_s_count",
        "sglang:e2e_request_latency_seconds_sum": "e2e_s_sum",
        "sglang:e2e_request_latency_seconds_count": "e2e_s_count",
    }
    # It has no counter of look-ups. When a request ends, the prompt's tokens and those of them that it found cached are
    # counted together, whatever part of the cache they were in: observe_one_finished_request() in
    # python/sglang/srt/metrics/collector.py, at 93d04878.
    prefix_lookups: tuple[str, ...] = ("prompt_tokens_total",)
    # By the collectors of 0.4.6.post2, 0.5.5 and 0.5.10; 0.5.5 has no counter of retractions, only a gauge of the last.
    lazy_counters: Mapping[str, Version | None] = {
        "prefix_cache_hits_total": (0, 4, 6),
        "preemptions_total": (0, 5, 10),
    }

    def command(self, arm: Arm, model: Model, serve_args: tuple[str, ...], site: Site) -> Command:
        """`serve_args` and the arm's own args come last, so they win; what they say is not said before them.

        SGLang's images have no entrypoint of their own, or a wrapper: the start is always said.
        """
        given = (*serve_args, *arm.args)
        start = arm.command or ("python3" if site.container else site.python, *MODULE)
        path = site.model_path or (None if arm.command else model.id)  # a model without files here: its name on the hub
        facts = (
            *(() if has_flag(given, "--model") else flag_unless(given, "--model-path", path)),
            *flag_unless(given, "--served-model-name", model.id),
            f"--host={listen_address(site)}",
            f"--port={site.ports['engine']}",
            *(() if has_flag(given, "--enable-metrics") else ("--enable-metrics",)),
            *flag_unless(given, "--context-length", model.max_model_len),
        )
        brought = site.model_path is not None or arm.prepare is not None
        env = QUIET | (OFFLINE if brought else {}) | dict(arm.env)
        if site.container:
            return Command(name="engine", argv=(*facts, *given), env=env, entrypoint=start)
        return Command(name="engine", argv=(*start, *facts, *given), env=env)

    def request_extras(self, *, ignore_eos: bool) -> Mapping[str, Any]:
        """The key `ignore_eos` of the body."""
        return {"ignore_eos": True} if ignore_eos else {}

    def effective_config(self, documents: Mapping[str, str]) -> Mapping[str, Any]:
        """The log holds what was measured, /get_server_info every argument."""
        info = parsed(documents.get("/get_server_info"))
        logged: dict[str, Any] = log_facts(self.log_patterns, documents.get("log"))
        said: dict[str, Any] = {ours: str(info[theirs]) for theirs, ours in ARGUMENTS.items() if theirs in info}
        cache_off = info.get("disable_radix_cache", logged.pop("radix_cache_off", None))
        if cache_off is not None:
            said["prefix_caching"] = str(cache_off) == "False"
        if info.get("dtype") not in (None, "auto"):
            said["precision"] = info["dtype"]
        found = {
            "served_model": first_model(documents.get("/v1/models")).get("id"),
            "engine_version": info.get("version"),
            "kv_cache_tokens": info.get("max_total_num_tokens"),
        }
        facts = normalised(said | logged | known(found))
        return ({"engine_inside": "sglang"} | facts) if facts else {}

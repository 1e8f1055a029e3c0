"""What a NIM says in its log, metrics, documents and labels, of itself and of the engine inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.container import ImageFacts
from bench.engines.base import Engine, FailurePattern, LogPattern, Version
from bench.engines.facts import bare_lines, failure, known, log_facts, normalised, parsed, pattern
from bench.engines.llamacpp import LlamaCpp
from bench.engines.sglang import Sglang
from bench.engines.vllm import Vllm
from bench.engines.vllm_facts import ENGINE_STARTS, cache_facts
from bench.vocabulary import FailureKind, Mark

TENSORRT = "tensorrt_llm"
INSIDE: Mapping[str, Engine] = {engine.name: engine for engine in (Vllm(), Sglang(), LlamaCpp())}
EVENT = "nim_config_resolved"
_NEAREST, _LINES = 4, 50  # braces that are tried: in front of the name, and at the beginning of a line

OWN_LINES: tuple[LogPattern, ...] = (
    pattern(None, r"NVIDIA Inference Microservice LLM(?: / VLM)? NIM Version (?P<nim_version>\d[\w.+-]*)"),
    pattern(None, r"NIM LLM API version (?P<nim_version>\d[\w.+-]*)"),
    pattern(None, r"Detected (?P<compatible_profiles>\d+) compatible profile\(s\)"),
    pattern(
        Mark.PROFILE_SELECTED, r"Selected profile:\s*(?P<profile_id>[0-9a-f]{64})(?: \((?P<profile_name>[^)\s]+)\))?"
    ),
    pattern(None, r"Profile metadata: precision: (?P<profile_precision>\w+)"),
    pattern(None, r"^ {2}Precision: +(?P<profile_precision>\w+)\s*$"),  # the box of 2.x, which no log level hides
    pattern(Mark.WEIGHTS_LOCAL, r"Model workspace is now ready\.(?: It took (?P<workspace_s>[\d.]+) seconds)?"),
    pattern(None, r"^Starting vLLM v(?P<engine_version>\d[\w.+]*)"),  # of the same box
)
TENSORRT_LINES: tuple[LogPattern, ...] = (
    pattern(None, r"TensorRT-LLM version: (?P<tensorrt_llm_version>\d[\w.+]*)"),  # in every 1.x, whatever engine runs
    pattern(None, r"TRTGptModel maxBatchSize: (?P<max_num_seqs>\d+)"),
    pattern(Mark.COMPILED, r"Total time of building rank\d+ engine: (?P<engine_build_s>[\d.]+) s"),
    pattern(Mark.WEIGHTS_LOADED, r"Loaded engine size: (?P<engine_mib>\d+) MiB"),
    pattern(
        Mark.KV_READY,
        r"Max tokens in paged KV cache: (?P<kv_cache_tokens>\d+)\. Allocating (?P<kv_cache_memory_bytes>\d+) bytes",
    ),
)
LOG_LINES: tuple[LogPattern, ...] = (
    *OWN_LINES,
    *TENSORRT_LINES,
    *(row for engine in INSIDE.values() for row in engine.log_patterns),
)
_PROFILES = "`list-model-profiles` in this image on this GPU shows what can run"
FAILURES: tuple[FailurePattern, ...] = (
    failure(
        FailureKind.PROFILE_INVALID,
        r"Could not match a profile in manifest.*NIM_MODEL_PROFILE.*|Not all of the provided profiles are supported.*"
        r"|Unknown profiles provided: .*",
        f"Give the 64 digits of an id alone, without the description behind it; {_PROFILES}.",
    ),
    failure(
        FailureKind.NO_COMPATIBLE_PROFILE,
        r"Could not find a profile that is currently runnable.*|Could not match a profile in manifest.*",
        f"End what else uses the GPU, or choose an image with a profile for it: {_PROFILES}.",
    ),
    failure(
        FailureKind.CACHE_PERMISSION,
        r"^.*Permission denied \(os error 13\).*|PermissionError: .*/opt/nim.*|^.*Read-only file system.*/opt/nim.*",
        "Mount a named volume at /opt/nim/.cache: it takes the image's owner. A folder of the host, or a volume that "
        "another user filled, must be writable for the user of the container.",
    ),
    failure(
        FailureKind.AUTH,
        r"^.*Permission error: The requested operation requires permissions.*|^.*Authentication Error.*"
        r"|(?:401|403) (?:Client Error|Unauthorized|Forbidden).*",
        "Export an NGC_API_KEY that may read this model, and name it under secrets.prepare: a measured start has none.",
    ),
    *(row for row in INSIDE["vllm"].failure_patterns if row.kind is FailureKind.GPU_MEMORY),
    failure(
        FailureKind.GPU_MEMORY,
        r"CUDA runtime error in .*out of memory.*",
        "Lower NIM_MAX_MODEL_LEN or choose a profile that needs less, or end what else uses the GPU.",
    ),
    failure(
        FailureKind.DOWNLOAD,
        r"ManifestDownloadError.*|Download failed after \d+ attempts.*|^.*Error downloading (?:manifest|models).*"
        r"|^.*run download-to-cache first.*",
        "Let the arm's `prepare` bring the model into the mounted cache: [download-to-cache, -p, PROFILE_ID].",
    ),
    *INSIDE["vllm"].failure_patterns,
    *INSIDE["sglang"].failure_patterns,
    *INSIDE["llamacpp"].failure_patterns,
)
METRIC_NAMES: Mapping[str, str] = {
    **{theirs: ours for engine in INSIDE.values() for theirs, ours in engine.metric_names.items()},
    # NIM 1.x, in NVIDIA's documentation without a prefix
    "num_requests_running": "requests_running",
    "num_requests_waiting": "requests_waiting",
    "gpu_cache_usage_perc": "kv_cache_usage_ratio",
    "prompt_tokens_total": "prompt_tokens_total",
    "generation_tokens_total": "output_tokens_total",
    "time_to_first_token_seconds_sum": "ttft_s_sum",
    "time_to_first_token_seconds_count": "ttft_s_count",
    "time_to_first_token_seconds_bucket": "ttft_s_le",
    "time_per_output_token_seconds_sum": "tpot_s_sum",
    "time_per_output_token_seconds_count": "tpot_s_count",
    "e2e_request_latency_seconds_sum": "e2e_s_sum",
    "e2e_request_latency_seconds_count": "e2e_s_count",
    # TensorRT-LLM's own server (tensorrt_llm/metrics/collector.py); it counts no preemptions
    "trtllm_num_requests_running": "requests_running",
    "trtllm_num_requests_waiting": "requests_waiting",
    "trtllm_kv_cache_utilization": "kv_cache_usage_ratio",
    "trtllm_prompt_tokens_total": "prompt_tokens_total",
    "trtllm_generation_tokens_total": "output_tokens_total",
    "trtllm_prompt_cached_tokens_total": "prefix_cache_hits_total",
    "trtllm_time_to_first_token_seconds_sum": "ttft_s_sum",
    "trtllm_time_to_first_token_seconds_count": "ttft_s_count",
    "trtllm_time_to_first_token_seconds_bucket": "ttft_s_le",
    "trtllm_time_per_output_token_seconds_sum": "tpot_s_sum",
    "trtllm_time_per_output_token_seconds_count": "tpot_s_count",
    "trtllm_e2e_request_latency_seconds_sum": "e2e_s_sum",
    "trtllm_e2e_request_latency_seconds_count": "e2e_s_count",
}
# TensorRT-LLM counts no look-ups: when a request ends, its prompt's tokens and those of them that came from the cache.
TENSORRT_LOOKUPS = ("prompt_tokens_total",)
TENSORRT_LAZY: Mapping[str, Version | None] = {"prefix_cache_hits_total": None}  # newer ones begin with 0
# Which line, metric or name proves which engine; the first that is there. Not TensorRT-LLM's banner: every 1.x has it.
_SIGNS: tuple[tuple[str, str], ...] = (
    (r"^vllm:|" + ENGINE_STARTS + r"|^Starting vLLM v\d", "vllm"),
    (r"^sglang:|Load weight end\. .*type=|ServerArgs\(model_path=", "sglang"),
    (r"^trtllm_|TRTGptModel |Profile metadata: llm_engine: tensorrt_llm", TENSORRT),
    (r"^llamacpp:|initializing, n_slots = ", "llamacpp"),
    (r"Profile metadata: llm_engine: vllm", "vllm"),
)


def nim_version(labels: Mapping[str, str], env: Mapping[str, str]) -> str | None:
    """By the image's labels or environment; None for an image that is no NIM."""
    return labels.get("com.nvidia.nim.version") or env.get("INFERENCE_MICROSERVICE_LLM_NIM_VERSION") or None


def generation(image: ImageFacts | None) -> str | None:
    """`1.x` (one image, several engines), `2.x` (one engine behind nginx), or None where the image does not say."""
    version = nim_version(image.labels, image.env) if image else None
    return f"{version.split('.')[0]}.x" if version else None


def effective_facts(documents: Mapping[str, str]) -> dict[str, Any]:
    """All that is known, under the names that every engine uses. What was measured wins over what was asked."""
    log, exposition = documents.get("log") or "", documents.get("/v1/metrics") or documents.get("/metrics") or ""
    own = log_facts((*OWN_LINES, *TENSORRT_LINES), log)
    image = _image_facts(parsed(documents.get("image_labels")), parsed(documents.get("image_env")))
    inside = _inside(log, exposition) or _of_profile(own.get("profile_name")) or image.pop("engine_inside", None)
    engine = INSIDE.get(inside or "")
    told = engine.effective_config({**documents, "/metrics": exposition}) if engine else {}
    if inside == TENSORRT:
        own |= known({"engine_version": own.get("tensorrt_llm_version")})
    found = image | _resolved(log) | own | _documents(documents) | dict(told) | known({"engine_inside": inside})
    found |= cache_facts(exposition)
    if "precision" not in found:  # the engine's word first: a profile called fp16 was seen to compute in bfloat16
        found |= known({"precision": found.get("profile_precision")})
    return normalised(found)


def _inside(log: str, exposition: str) -> str | None:
    text = f"{exposition}\n{bare_lines(log)}"
    return next((name for sign, name in _SIGNS if re.search(sign, text, re.M)), None)


def _of_profile(name: str | None) -> str | None:
    """Of `tensorrt_llm-h100-fp8-tp1-pp1-throughput` the first word."""
    word = (name or "").split("-")[0]
    return word if word in (TENSORRT, *INSIDE) else None


def _documents(documents: Mapping[str, str]) -> dict[str, Any]:
    version, metadata = parsed(documents.get("/v1/version")), parsed(documents.get("/v1/metadata"))
    model = INSIDE["vllm"].effective_config(
        {key: documents[key] for key in ("/v1/models", "/version") if key in documents}
    )
    found = known({"nim_version": version.get("release") or metadata.get("version")})
    return found | {key: value for key, value in model.items() if key != "engine_inside"}


def _image_facts(labels: Mapping[str, Any], env: Mapping[str, Any]) -> dict[str, Any]:
    tag = re.search(r":v(\d+\.\d+[\w.]*)", str(env.get("VLLM_IMAGE_TAG") or labels.get("ai.vllm.image.tag") or ""))
    backend = str(env.get("BACKEND_TYPE") or "").lower()
    inside = backend if backend in (TENSORRT, *INSIDE) else "vllm" if tag else None
    return known(
        {
            "nim_version": nim_version(labels, env),
            "engine_version": tag[1] if tag else None,
            "engine_inside": inside,
            "served_model": env.get("NIM_SERVED_MODEL_NAME") or labels.get("com.nvidia.nim.model"),
        }
    )


def resolved_config(text: str) -> dict[str, Any]:
    """What `nim-serve` resolved, setting -> {value, source, ...}; {} where no such event is in the text."""
    bare = bare_lines(text)
    for start in _candidates(bare):
        try:
            event, _ = json.JSONDecoder().raw_decode(bare, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("event") == EVENT and isinstance(event.get("config"), dict):
            return dict(event["config"])
    return {}


def _candidates(text: str) -> Iterator[int]:
    """Every brace that may open the event: the last ones before its name, then those that begin a line."""
    for named in re.finditer(EVENT, text):
        start = named.start()
        for _ in range(_NEAREST):
            start = text.rfind("{", 0, start)
            if start < 0:
                break
            yield start
        begins = [match.end() - 1 for match in re.finditer(r"^[ \t]*\{", text[: named.start()], re.M)]
        yield from reversed(begins[-_LINES:])


def _resolved(log: str) -> dict[str, Any]:
    settings = resolved_config(log)
    names = {
        "served_model_name": "served_model",
        "max_model_len": "max_model_len",
        "gpu_memory_utilization": "gpu_memory_utilization",
        "tensor_parallel_size": "tensor_parallel_size",
        "max_num_seqs": "max_num_seqs",
        "max_num_batched_tokens": "max_num_batched_tokens",
        "kv_cache_memory_bytes": "kv_cache_memory_bytes",
    }
    values = {ours: settings[theirs] for theirs, ours in names.items() if theirs in settings}
    return known({name: one.get("value") if isinstance(one, dict) else None for name, one in values.items()})

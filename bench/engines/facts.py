"""What all engines share in reading logs and documents. Text from a server is hostile: parsed or dropped, never run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.engines.base import FailurePattern, LogPattern, Site
from bench.vocabulary import FailureKind, Mark


def pattern(mark: Mark | None, text: str) -> LogPattern:
    """A row of a table of log lines."""
    return LogPattern(mark, re.compile(text, re.M))


def failure(kind: FailureKind, text: str, repair: str) -> FailurePattern:
    """A row of a table of failures."""
    return FailurePattern(kind, re.compile(text, re.M), repair)


COMMON_FAILURES: tuple[FailurePattern, ...] = (
    failure(
        FailureKind.HOST_MEMORY_KILL,
        r"MemoryError|std::bad_alloc|Cannot allocate memory|can't allocate memory",
        "Free host memory, or lower what the arm asks for.",
    ),
    failure(
        FailureKind.PORT_TAKEN,
        r"[Aa]ddress already in use",
        "End the program that holds the port (`ss -ltnp` names it), or plan again with other ports.",
    ),
    failure(
        FailureKind.DISK_FULL,
        r"^.*No space left on device.*",
        "Free room where the container engine keeps images and volumes (`docker system df` tells who holds it).",
    ),
    failure(
        FailureKind.CACHE_PERMISSION,
        r"PermissionError: .*|Permission denied.*",
        "Give the user that runs the arm the right to write there (a cache with the wrong owner is the usual cause).",
    ),
)
# What torch and the model hub say, whichever engine asked them.
GPU_FAILURES: tuple[FailurePattern, ...] = (
    failure(
        FailureKind.DRIVER_TOO_OLD,
        r"The NVIDIA driver on your system is too old.*|CUDA driver version is insufficient.*"
        r"|^.*compatibility mode is UNAVAILABLE.*",
        "Install a driver that serves this CUDA version, or an image built for an older CUDA.",
    ),
)
HUB_FAILURES: tuple[FailurePattern, ...] = (
    failure(
        FailureKind.AUTH,
        r"(?:401 Client Error|403 Client Error|GatedRepoError|Invalid user token).*",
        "Give a token that may read this model, through the environment.",
    ),
    failure(
        FailureKind.DOWNLOAD,
        r"(?:LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to 'https://).*",
        "Put the model on this machine first: model.path or model.weights of the scenario.",
    ),
)
OUT_OF_GPU_MEMORY = r"(?:torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory).*"
# What stands before an engine's own words: the time in server.log, and the names that compose and kubectl put there.
_LOG_PREFIX = re.compile(r"^(?:\d+\.\d+ engine )?(?:[\w.-]+ +\| |\[pod/[^\]]*\] )?", re.M)

# Facts that are numbers or yes and no; every other one stays text.
_WHOLE = frozenset(
    {
        "max_model_len", "kv_cache_tokens", "kv_cache_memory_bytes", "kv_blocks", "kv_cpu_blocks", "kv_block_tokens",
        "max_num_seqs", "max_num_batched_tokens", "tensor_parallel_size", "pipeline_parallel_size",
        "compatible_profiles", "slots", "slot_tokens", "parameters", "weights_bytes", "model_max_len",
    }
)  # fmt: skip
_FRACTIONS = frozenset({"gpu_memory_utilization", "mem_fraction_static"})
_FRACTION_ENDS = ("_s", "_gib", "_mib")
_FLAGS = frozenset({"prefix_caching", "compile_cache_hit"})
_NONE_SAYS_OFF = frozenset({"quantization", "speculative"})  # the engine's "None" here means that it does without
_OFF = ("false", "0", "no", "cache the graph of")  # the last: vLLM compiles now what it did not find
PRECISIONS = {
    "bf16": "bfloat16", "fp16": "float16", "f16": "float16", "half": "float16", "fp32": "float32", "f32": "float32",
    "float": "float32",
}  # fmt: skip
_ATTENTION = {"flash attention": "FLASH_ATTN", "flashattention": "FLASH_ATTN", "flashinfer": "FLASHINFER"}


def bare_lines(log: str) -> str:
    """The engine's own words, without what the suite or a compose put before each line."""
    return _LOG_PREFIX.sub("", log)


def parsed(text: str | None) -> dict[str, Any]:
    """A JSON object, or {} for anything else."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def first_model(text: str | None) -> dict[str, Any]:
    """The first entry of an answer of /v1/models, or {}."""
    data = parsed(text).get("data")
    entry = data[0] if isinstance(data, list) and data else None
    return entry if isinstance(entry, dict) else {}


def log_facts(patterns: tuple[LogPattern, ...], log: str | None) -> dict[str, str]:
    """The named groups of every pattern, at its first match."""
    facts: dict[str, str] = {}
    text = bare_lines(log or "")
    for row in patterns if text else ():
        match = row.pattern.search(text)
        for name, value in (match.groupdict() if match else {}).items():
            if value is not None:
                facts.setdefault(name, value)
    return facts


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a document does not say."""
    return {name: value for name, value in facts.items() if value is not None}


def normalised(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts with numbers as numbers and one word for one precision; what says nothing is left out."""
    found = known({name: _value(name, value) for name, value in facts.items()})
    blocks, each = found.get("kv_blocks"), found.get("kv_block_tokens")
    if "kv_cache_tokens" not in found and blocks and each:
        found["kv_cache_tokens"] = blocks * each
    return found


def _value(name: str, value: Any) -> Any:
    text = str(value)
    if text == "None" and name in _NONE_SAYS_OFF:
        return "none"
    if value is None or text in ("None", ""):
        return None
    if name in _FLAGS:
        return text.lower() not in _OFF
    if name in _WHOLE or name in _FRACTIONS or name.endswith(_FRACTION_ENDS):
        return _number(text, whole=name in _WHOLE)
    if name == "precision":
        word = text.removeprefix("torch.").lower()
        return PRECISIONS.get(word, word)
    return _ATTENTION.get(text.lower(), value) if name == "attention_backend" else value


def _number(text: str, *, whole: bool) -> int | float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if whole else number


def has_flag(args: Sequence[str], *names: str) -> bool:
    """Whether one of these flags is among the arguments, alone or as `--flag=value`, with - or _ inside."""
    given = {arg.split("=", 1)[0].replace("_", "-") for arg in args if arg.startswith("-")}
    return any(name in given for name in names)


def flag_unless(args: Sequence[str], name: str, value: object) -> tuple[str, ...]:
    """`--name=value`, or nothing where the arguments say it themselves or there is no value."""
    return () if value is None or has_flag(args, name) else (f"{name}={value}",)


def listen_address(site: Site) -> str:
    """All addresses of a container of its own network, which is reached through the published port; else loopback."""
    return "0.0.0.0" if site.container and not site.host_network else "127.0.0.1"

"""What all engines share in reading logs and documents. Text from a server is hostile: parsed or dropped, never run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.engines.base import FailurePattern, LogPattern
from bench.vocabulary import FailureKind, Mark

COMMON_FAILURES: tuple[FailurePattern, ...] = (
    FailurePattern(
        FailureKind.HOST_MEMORY_KILL,
        re.compile(r"MemoryError|std::bad_alloc|Cannot allocate memory|can't allocate memory"),
        "Free host memory, or lower what the arm asks for.",
    ),
    FailurePattern(
        FailureKind.PORT_TAKEN,
        re.compile(r"[Aa]ddress already in use"),
        "End the program that holds the port (`ss -ltnp` names it), or plan again with other ports.",
    ),
    FailurePattern(
        FailureKind.CACHE_PERMISSION,
        re.compile(r"PermissionError: .*|Permission denied.*"),
        "Give the user that runs the arm the right to write there (a cache with the wrong owner is the usual cause).",
    ),
)
# Facts that are numbers; every other one stays text.
WHOLE = frozenset(
    {
        "max_model_len", "kv_cache_tokens", "kv_cache_memory_bytes", "kv_blocks", "kv_cpu_blocks", "kv_block_tokens",
        "max_num_seqs", "max_num_batched_tokens", "tensor_parallel_size", "pipeline_parallel_size",
        "compatible_profiles", "slots", "slot_tokens",
    }
)  # fmt: skip
UNITS = ("_s", "_gib", "_ratio")  # the ends of a name whose value is a number with a fraction
FRACTIONS = frozenset({"gpu_memory_utilization"})
FLAGS = frozenset({"prefix_caching", "compile_cache_hit"})
PRECISIONS = {
    "bf16": "bfloat16", "fp16": "float16", "half": "float16", "f16": "float16", "fp32": "float32", "f32": "float32",
    "float": "float32",
}  # fmt: skip


def pattern(mark: Mark | None, text: str) -> LogPattern:
    """A row of a table of log lines."""
    return LogPattern(mark, re.compile(text))


def parsed(text: str | None) -> dict[str, Any]:
    """A JSON object, or {} for anything else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
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
    for row in patterns if log else ():
        match = row.pattern.search(log or "")
        for name, value in (match.groupdict() if match else {}).items():
            if value is not None:
                facts.setdefault(name, value)
    return facts


def normalised(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts with numbers as numbers and one word for one precision; what says nothing is left out."""
    found = {name: _value(name, value) for name, value in facts.items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, str) and value in ("None", "")):
        return None
    if name in FLAGS:
        return value if isinstance(value, bool) else str(value).lower() not in ("false", "0", "no")
    if name in WHOLE or name in FRACTIONS or name.endswith(UNITS):
        return _number(value, whole=name in WHOLE)
    if name == "precision":
        word = str(value).removeprefix("torch.").lower()
        return PRECISIONS.get(word, word)
    return value


def _number(value: Any, *, whole: bool) -> int | float | None:
    try:
        number = float(str(value).replace(",", ""))
        return int(number) if whole else number
    except (ValueError, OverflowError):
        return None


def has_flag(args: Sequence[str], *names: str) -> bool:
    """Whether one of these flags is among the arguments, alone or as `--flag=value`, with - or _ inside."""
    given = {arg.split("=", 1)[0].replace("_", "-") for arg in args if arg.startswith("--")}
    return any(name in given for name in names)

"""What an engine says it runs with, made comparable: a row per fact that decides whether two arms did the same thing.

Adding a fact is one row. A spelling is no difference (bf16, bfloat16); what an engine does not say is not known.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.engines.facts import PRECISIONS

Config = Mapping[str, Any]  # effective_config of one launch
Known = str | int | float | bool

# 97,328 against 107,728 tokens of KV cache moved throughput by 7-8 %: about 0.7 % for each per cent. 1 % of cache is
# then below every margin, and still tells the 5 % that the first boot with a cold compile cache gets less.
KV_TOLERANCE = 0.01
FRACTION_TOLERANCE = 0.005  # engines print 0.92 as 0.9200000000000001, and round
QUANTISED = re.compile(r"(?:mx|nv)?fp[48]|int[48]|w\da\d+|awq|gptq")  # a profile's word for a precision below 16 bits
_SILENT = ("", "none", "null", "unknown", "n/a")
_FLAGS = {"true": True, "on": True, "1": True, "yes": True, "false": False, "off": False, "0": False, "no": False}
ENGINES = ("vllm", "sglang", "tensorrt_llm", "llamacpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of effective_config. `read` gives it in its one spelling, None where a launch does not say it."""

    key: str
    read: Callable[[Config], Known | None]
    blocks: bool  # known and unequal: the arms are not comparable
    align: str  # what makes it equal
    tolerance: float = 0.0  # relative


def text_of(key: str, *, none_is_known: bool = False) -> Callable[[Config], str | None]:
    """A word, in lower case. `none_is_known`: the engine's "None" means that it does without, e.g. quantization."""

    def read(config: Config) -> str | None:
        value = config.get(key)
        text = str(value).strip().casefold() if value is not None else ""
        if none_is_known and text == "none":
            return "none"
        return None if text in _SILENT else text

    return read


def number_of(key: str) -> Callable[[Config], float | None]:
    """A number, whole where it is whole, also from text such as `107,728`."""

    def read(config: Config) -> float | None:
        value = config.get(key)
        if isinstance(value, bool) or value is None:
            return None
        try:
            number = float(str(value).replace(",", "").replace("_", ""))
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        return int(number) if number.is_integer() else number

    return read


def flag_of(key: str) -> Callable[[Config], bool | None]:
    """On or off."""
    return lambda config: _FLAGS.get(str(config.get(key)).strip().casefold())


def precision(config: Config) -> str | None:
    """The type of the weights as computed with."""
    text = text_of("precision")(config)
    return PRECISIONS.get(text.removeprefix("torch."), text.removeprefix("torch.")) if text else None


def kv_cache_dtype(config: Config) -> str | None:
    """`auto` is the precision of the model."""
    text = text_of("kv_cache_dtype")(config)
    if text == "auto":
        return precision(config)
    return PRECISIONS.get(text.removeprefix("torch."), text.removeprefix("torch.")) if text else None


def engine_version(config: Config) -> str | None:
    """Without the build after the plus: 0.27.1+cu130 is 0.27.1 for another CUDA. A development build keeps it."""
    text = text_of("engine_version")(config)
    if text is None or text.endswith("-unknown"):  # llama.cpp's `b0-unknown`, of a build that was not told
        return None
    plain = text.removeprefix("v")
    return plain if re.search(r"\.dev\d*", plain) else plain.split("+")[0]


def kv_cache_tokens(config: Config) -> float | None:
    """Room for so many tokens; of llama.cpp per slot.

    llama.cpp gives each of its slots a cache of its own: in all it differs just because the number of slots does,
    which is a fact for itself. The other engines' slots share what is there.
    """
    tokens, blocks, each = (number_of(key)(config) for key in ("kv_cache_tokens", "kv_blocks", "kv_block_tokens"))
    if tokens is None:
        tokens = blocks * each if blocks and each else None
    slots = number_of("max_num_seqs")(config)
    own_per_slot = text_of("engine_inside")(config) == "llamacpp" and flag_of("kv_unified")(config) is not True
    return tokens / slots if tokens and slots and own_per_slot else tokens


_PIN = "pin it in serve_args, which both arms get"
FACTS: tuple[Fact, ...] = (
    Fact(key="engine_inside", read=text_of("engine_inside"), blocks=True,
         align="choose a profile, or an image, with the same engine; two engines are compared by question: shipped"),
    Fact(key="engine_version", read=engine_version, blocks=True,
         align="build the custom arm from the engine version that the other arm has"),
    Fact(key="precision", read=precision, blocks=True, align="pin the profile on one side and --dtype on the other"),
    Fact(key="quantization", read=text_of("quantization", none_is_known=True), blocks=True,
         align="pin the profile on one side and --quantization on the other"),
    Fact(key="max_model_len", read=number_of("max_model_len"), blocks=True, align=_PIN),
    Fact(key="kv_cache_memory_bytes", read=number_of("kv_cache_memory_bytes"), blocks=True, tolerance=KV_TOLERANCE,
         align="pin --kv-cache-memory-bytes in serve_args (where it is refused, --num-gpu-blocks-override)"),
    Fact(key="kv_cache_tokens", read=kv_cache_tokens, blocks=True, tolerance=KV_TOLERANCE,
         align="pin --kv-cache-memory-bytes in serve_args (where it is refused, --num-gpu-blocks-override)"),
    Fact(key="kv_cache_dtype", read=kv_cache_dtype, blocks=True, align=_PIN),
    Fact(key="prefix_caching", read=flag_of("prefix_caching"), blocks=True, align=_PIN),
    Fact(key="speculative", read=text_of("speculative", none_is_known=True), blocks=True,
         align="give both arms the same draft model, or none"),
    Fact(key="max_num_seqs", read=number_of("max_num_seqs"), blocks=False, align=_PIN),
    Fact(key="max_num_batched_tokens", read=number_of("max_num_batched_tokens"), blocks=False, align=_PIN),
    Fact(key="gpu_memory_utilization", read=number_of("gpu_memory_utilization"), blocks=False,
         tolerance=FRACTION_TOLERANCE, align=_PIN),
    Fact(key="attention_backend", read=text_of("attention_backend"), blocks=False, align=_PIN),
)  # fmt: skip
KV_SIZE = ("kv_cache_memory_bytes", "kv_cache_tokens")  # two measures of one thing: to know one is enough


def is_same(fact: Fact, values: Iterable[Known]) -> bool:
    """Whether all of these are one value."""
    found = list(values)
    numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    if fact.tolerance and len(numbers) == len(found) and found:
        return max(numbers) <= min(numbers) * (1 + fact.tolerance)
    return len(set(found)) <= 1


def centre(fact: Fact, values: list[Known]) -> Known | None:
    """One value for an arm: the median of what is a quantity, else the most frequent."""
    if not values:
        return None
    if fact.tolerance:
        return statistics.median_low([float(v) for v in values if not isinstance(v, str)] or [0.0])
    return statistics.mode(values)


def shown(value: Known | None) -> str:
    """`48,318,382,080`, `on`, `bfloat16`."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    return f"{value:,.6g}" if value != int(value) else f"{int(value):,}"

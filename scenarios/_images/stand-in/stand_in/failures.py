"""STAND_IN_MODE: ways to fail that real ones have. Each ends as a real one does, with the words that it leaves.

no_compatible_profile   nothing in the listing can run
oom                     the engine takes memory until the container's limit kills it
kv_too_small            the KV cache cannot hold one request of max_model_len
never_ready             nginx serves, the engine never does
dies_under_load         the engine crashes after STAND_IN_DIES_AFTER tokens
tells_the_key           every log holds NGC_API_KEY, plain and in base64: what a careless program would do
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stand_in.cache import KEY
from stand_in.engines import Engine
from stand_in.log import say

GIB = 2**30
LARGEST_LIMIT = 8 * GIB
LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
TAKE_MEMORY = "held = []\nwhile True: held.append(bytearray(32 * 2**20))"
SAY_AND_FAIL = "import sys; print(sys.argv[1], flush=True); sys.exit(1)"


def mode() -> str:
    """The chosen one, empty for a stand-in that works."""
    return os.environ.get("STAND_IN_MODE", "")


def engine_command(engine: Engine, settings: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...] | None:
    """What runs in the engine's place, None for the engine itself."""
    if mode() == "oom":
        return _take_memory()
    if mode() == "kv_too_small":
        return ("python3", "-c", SAY_AND_FAIL, _kv_refusal(engine, settings))
    if mode() == "never_ready":
        return ("sleep", "infinity")
    return None


def deadly_tokens() -> int | None:
    """After how many tokens the engine dies."""
    return int(os.environ.get("STAND_IN_DIES_AFTER", "200")) if mode() == "dies_under_load" else None


def tell_the_key() -> None:
    """Only in its mode."""
    key = os.environ.get(KEY, "")
    if mode() == "tells_the_key":
        say(f"Authorization: Bearer {key}")
        say(f"Authorization: Basic {base64.b64encode(f'$oauthtoken:{key}'.encode()).decode()}")
        say(f"auth={base64.b64encode(key.encode()).decode()}")


def _take_memory() -> tuple[str, ...]:
    """Only under a limit: without one this would take the host's memory."""
    limits = [Path(name).read_text().strip() for name in LIMIT_FILES if Path(name).exists()]
    if not any(limit.isdigit() and int(limit) <= LARGEST_LIMIT for limit in limits):
        return ("python3", "-c", SAY_AND_FAIL, "stand-in: mode oom needs container.memory of at most 8g")
    return ("python3", "-c", TAKE_MEMORY)


def _kv_refusal(engine: Engine, settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The refusal of vLLM, with the model's own arithmetic and half the memory that it takes."""
    tokens = int(settings.get("max-model-len", {"value": 2048})["value"])
    needed = tokens * engine.kv_bytes_per_token / GIB
    return (
        f"ValueError: To serve at least one request with the models's max seq len ({tokens}), ({needed:.4f} GiB KV "
        f"cache is needed, which is larger than the available KV cache memory ({needed / 2:.4f} GiB). Based on the "
        f"available memory, the estimated maximum model length is {tokens // 2}. Try increasing "
        "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
    )

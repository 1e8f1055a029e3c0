"""The engines that an arm may name. Adding one = one file here and one row in ENGINES."""

from __future__ import annotations

from bench.engines.base import Engine
from bench.engines.llamacpp import LlamaCpp
from bench.engines.nim import Nim
from bench.engines.sglang import Sglang
from bench.engines.vllm import Vllm
from bench.errors import InputError

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (LlamaCpp(), Nim(), Sglang(), Vllm())}


def get_engine(name: str) -> Engine:
    """The engine of that name."""
    if name not in ENGINES:
        raise InputError(f"no engine is called {name!r}", expected=", ".join(sorted(ENGINES)), got=repr(name))
    return ENGINES[name]

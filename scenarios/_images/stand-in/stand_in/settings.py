"""The engine's settings, from five sources that override each other in NIM 2.x's order."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

from stand_in.engines import Engine
from stand_in.profiles import Profile

ENGINE_PORT = "8001"
OURS = ("host", "port")  # the engine listens behind nginx, whatever is asked
ENVIRONMENT = {
    "NIM_MAX_MODEL_LEN": "max-model-len",
    "NIM_SERVED_MODEL_NAME": "served-model-name",
    "NIM_TENSOR_PARALLEL_SIZE": "tensor-parallel-size",
}
DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
Flags = dict[str, str | None]  # None = a flag without a value


def parse(words: list[str]) -> Flags:
    """`--flag=value`, `--flag value` and `--flag`; the last one wins, and `--no-x` takes `--x` away."""
    flags: Flags = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ValueError(f"unrecognized arguments: {word}")
        name, is_joined, value = word[2:].partition("=")
        if is_joined:
            given: str | None = value
        else:
            given = rest.pop(0) if rest and not rest[0].startswith("--") else None
        flags.pop(name.removeprefix("no-") if name.startswith("no-") else f"no-{name}", None)
        flags[name.replace("_", "-")] = given
    return flags


def resolved(profile: Profile, words: list[str]) -> dict[str, dict[str, Any]]:
    """Each setting with its source and what it overrides, in the shape of a NIM's own report."""
    environment: Flags = {flag: os.environ[name] for name, flag in ENVIRONMENT.items() if os.environ.get(name)}
    sources: tuple[tuple[str, Flags], ...] = (
        ("DEFAULT", {"served-model-name": "stand-in/tiny-llama"}),
        ("PROFILE", _of_profile(profile)),
        ("ENV", environment),
        ("PASSTHROUGH", parse(shlex.split(os.environ.get("NIM_PASSTHROUGH_ARGS", "")))),
        ("CLI", parse(words)),
    )
    found: dict[str, dict[str, Any]] = {}
    for source, flags in sources:
        for name, value in flags.items():
            if name not in OURS:
                found[name] = {"value": value, "source": source} | ({"previous": found[name]} if name in found else {})
    found["port"] = {"value": ENGINE_PORT, "source": "DEFAULT"}
    found["host"] = {"value": "127.0.0.1", "source": "DEFAULT"}
    return found


def _of_profile(profile: Profile) -> Flags:
    flags: Flags = {"tensor-parallel-size": str(profile.tp), "pipeline-parallel-size": str(profile.pp)}
    dtype = DTYPES.get(profile.precision)
    return flags | ({"dtype": dtype} if dtype else {})


def engine_words(engine: Engine, settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The settings as the engine's own arguments."""
    words: list[str] = []
    for name, setting in settings.items():
        own = engine.flags.get(name, name)
        if own is not None:
            words += [f"--{own}"] if setting["value"] is None else [f"--{own}", str(setting["value"])]
    return words

"""The engine in this image: its command, the words of its flags and the files that it reads."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LLAMACPP_SERVER = Path("/opt/engine/llamacpp_server.py")


@dataclass(frozen=True)
class Engine:
    """One engine. `start` comes before the model; `flags` gives its own words for those that NIM knows."""

    name: str
    start: tuple[str, ...]
    shown_as: tuple[str, ...]  # what --dry-run prints before the model
    model_flag: str
    flags: Mapping[str, str | None]  # NIM's word -> the engine's; None = the engine has no such setting
    precisions: Mapping[str, tuple[str, ...]]  # of a profile -> patterns of its files, relative to the hub
    single_file: bool  # the engine is given the file, not its folder
    connection: str  # nginx's header to it: "" keeps connections, "close" where the engine drops kept ones unannounced
    tokens_metric: str  # counter of generated tokens
    kv_bytes_per_token: int  # of the tiny Llama: 12 layers, keys and values of 4 heads of 64 halves


_KV_BYTES = 12 * 2 * 4 * 64 * 2
VLLM = Engine(
    name="vllm",
    start=("python3", "-m", "vllm.entrypoints.openai.api_server"),
    shown_as=("vllm", "serve"),
    model_flag="--model",
    flags={},
    precisions={"bf16": ("hf/*", "*"), "fp16": ("hf/*", "*")},
    single_file=False,
    connection="",
    tokens_metric="vllm:generation_tokens_total",
    kv_bytes_per_token=_KV_BYTES,
)
LLAMACPP = Engine(
    name="llamacpp",
    start=("python3", "-P", str(LLAMACPP_SERVER)),
    shown_as=("llama-server",),
    model_flag="--model",
    flags={
        "served-model-name": "alias",
        "tensor-parallel-size": None,
        "pipeline-parallel-size": None,
        "dtype": None,
    },
    precisions={"q4_0": ("model-q4_0.gguf",), "f16": ("model.gguf",)},
    single_file=True,
    connection="close",  # kept ones ended up to one request in three with 502
    tokens_metric="llamacpp:tokens_predicted_total",
    kv_bytes_per_token=_KV_BYTES,
)


def engine_inside() -> Engine:
    """Found by what is installed: the image does not say."""
    if LLAMACPP_SERVER.exists():
        return LLAMACPP
    if importlib.util.find_spec("vllm"):
        return VLLM
    raise SystemExit("stand-in: BASE_IMAGE holds neither vLLM nor nimbench's llama.cpp server")

"""llama.cpp's HTTP server as a program, with the flags of `llama-server` that our scenarios use.

Started by an arm, in any environment that holds xllamacpp: only that and the standard library are imported. Always a
child process: xllamacpp's Server has no way to stop, it ends when its process ends. It listens on 127.0.0.1 unless told
otherwise: in a container behind a published port it must listen on all of the container's own addresses.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any


def parse_flags(argv: list[str]) -> argparse.Namespace:
    """The command line. Defaults are llama.cpp's own, except that no answer may come from a cached prompt."""
    parser = argparse.ArgumentParser(description="llama.cpp's HTTP server", allow_abbrev=False)
    parser.add_argument("--model", required=True, help="GGUF file, or a folder that holds one")
    parser.add_argument("--alias", help="name of the model in requests")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 in a container")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-model-len", type=int, help="context of one slot in tokens (default: the model's)")
    parser.add_argument("--parallel", type=int, default=1, help="slots: requests computed at once")
    parser.add_argument("--threads", type=int, help="threads of the computation, prompts and tokens alike")
    parser.add_argument("--threads-http", type=int, help="threads that serve HTTP")
    parser.add_argument("--batch-size", type=int, help="most tokens in one logical batch")
    parser.add_argument("--ubatch-size", type=int, help="most tokens in one computation")
    parser.add_argument("--flash-attn", choices=("on", "off", "auto"), default="auto")
    parser.add_argument("--no-cont-batching", action="store_true", help="new requests wait until all slots are free")
    parser.add_argument("--cache-prompt", action="store_true", help="reuse the KV cache of an equal prompt start")
    parser.add_argument("--kv-unified", action="store_true", help="one KV cache for all slots")
    parser.add_argument("--no-warmup", action="store_true", help="skip the empty first run")
    parser.add_argument("--verbosity", type=int, default=3, help="3 shows the load, 4 every request")
    return parser.parse_args(argv)


def gguf_file(model: str) -> str:
    """The one GGUF file of a folder; anything else as it was given."""
    files = sorted(Path(model).glob("*.gguf"))
    return str(files[0]) if len(files) == 1 else model


def server_params(flags: argparse.Namespace) -> Any:
    """The flags as llama.cpp's parameters."""
    import xllamacpp  # here, so that --help and a missing model answer without it

    params = xllamacpp.CommonParams()
    params.model.path = flags.model
    if flags.alias:
        params.model_alias = {flags.alias}
    params.port = flags.port
    params.hostnames = [flags.host]
    params.n_parallel = flags.parallel
    if flags.max_model_len:
        params.n_ctx = flags.max_model_len * (1 if flags.kv_unified else flags.parallel)
    params.kv_unified = flags.kv_unified
    params.fit_params = False  # llama.cpp would shrink the context to fit and say so only in its log
    for name, value in (("n_batch", flags.batch_size), ("n_ubatch", flags.ubatch_size)):
        if value:
            setattr(params, name, value)
    if flags.threads:
        params.cpuparams.n_threads = flags.threads
        params.cpuparams_batch.n_threads = flags.threads
    if flags.threads_http:
        params.n_threads_http = flags.threads_http
    params.cont_batching = not flags.no_cont_batching
    params.flash_attn_type = getattr(
        xllamacpp.llama_flash_attn_type,
        {
            "on": "LLAMA_FLASH_ATTN_TYPE_ENABLED",
            "off": "LLAMA_FLASH_ATTN_TYPE_DISABLED",
            "auto": "LLAMA_FLASH_ATTN_TYPE_AUTO",
        }[flags.flash_attn],
    )
    params.cache_prompt = flags.cache_prompt
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.endpoint_metrics = True
    params.ui = False
    params.warmup = not flags.no_warmup
    params.verbosity = flags.verbosity
    return params


def main(argv: list[str]) -> int:
    """Serve until killed; 1 and one line when llama.cpp refuses to start."""
    flags = parse_flags(argv)
    flags.model = gguf_file(flags.model)
    if not Path(flags.model).is_file():
        sys.stderr.write(f"llamacpp_server: no such model file: {flags.model}\n")
        return 1
    try:
        import xllamacpp
    except ImportError as error:
        sys.stderr.write(f"llamacpp_server: {error}; install it with: pip install xllamacpp\n")
        return 1
    try:
        server = xllamacpp.Server(server_params(flags))
    except RuntimeError as error:
        sys.stderr.write(f"llamacpp_server: {error}\n")
        return 1
    # The first process of a container has no default action for signals: `docker stop` would wait and then kill.
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    while server is not None:
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A small right scenario, and a way to write it with one thing changed."""

from __future__ import annotations

from pathlib import Path

TEXT = """\
summary: two settings of one engine
model: {id: tiny, path: model.gguf, max_model_len: 512}
baseline: plain
arms:
  plain: {engine: llamacpp, side: buy}
  hop:
    engine: llamacpp
    side: build
    args: [--parallel, 4]
    env: {HERE: "${scratch}"}
    also:
      nginx:
        command: [nginx, -c, "${scratch}/nginx.conf"]
        files: {nginx.conf: nginx.conf.in}
    entry: nginx
load:
  prompt: {input_tokens: 64, output_tokens: 32}
  stages:
    - {concurrency: 1, duration: 5s}
    - {concurrency: 4, duration: 1m}
launches: {mode: quick, blocks: 2, cooldown: 500ms}
modes:
  smoke: {load: {duration: 2s, warmup: 1s}}
primary: {metric: output_tokens_per_s, stage: c4}
margins: {output_tokens_per_s: 5%}
slo: {ttft_p99_s: 300ms}
"""


def write(folder: Path, text: str = TEXT, **replaced: str) -> Path:
    """The scenario's folder; `replaced` gives whole lines for top-level keys that stand on one line."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = text.splitlines()
    for key, line in replaced.items():
        lines = [line if old.startswith(f"{key}:") else old for old in lines]
    (folder / "scenario.yaml").write_text("\n".join(lines) + "\n")
    (folder / "model.gguf").write_bytes(b"")
    (folder / "nginx.conf.in").write_text("listen ${nginx_port}; proxy_pass 127.0.0.1:${engine_port}; set $host;\n")
    return folder

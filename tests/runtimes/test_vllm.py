"""Real vLLM on the CPU in an environment of its own, from the lock of demo-vllm."""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from bench.engines import get_engine
from bench.engines.base import LaunchSpec, Site
from bench.events import silent
from bench.runtimes.environments import ensure_environment
from bench.runtimes.log import read_text
from bench.runtimes.models import resolve_model
from bench.runtimes.ready import wait_ready
from bench.runtimes.supervisor import descendants
from bench.scenario import load_scenario
from bench.vocabulary import Mark
from tests.runtimes.arms import DEMO, TINY, free_port, is_alive, llama_spec, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock's CPU wheel of torch is for Python 3.11"),
]
QUESTION = {"model": "tiny-llama", "prompt": "Ban gon ban", "max_tokens": 8, "temperature": 0, "ignore_eos": True}


def ask(url: str) -> dict:
    request = urllib.request.Request(
        f"{url}/v1/completions", json.dumps(QUESTION).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def test_vllm_serves_the_same_model_as_llamacpp_and_leaves_nothing_behind(tmp_path):
    scenario = load_scenario(str(DEMO.parent / "demo-vllm"))
    arm = next(arm for arm in scenario.arms if arm.name == "plain")
    engine, port = get_engine("vllm"), free_port()
    model = resolve_model(scenario.model, scenario.folder, engine.model_format)
    site = Site(
        ports={"engine": port},
        scratch=str(tmp_path),
        python=ensure_environment(arm.packages, silent),
        model_path=model.path,
    )
    # float16 as the file has it: the same arithmetic as llama.cpp's
    serve_args = tuple(word for word in scenario.serve_args if not word.startswith("--dtype"))
    command = engine.command(arm, scenario.model, serve_args, site)
    url = f"http://127.0.0.1:{port}"
    spec = LaunchSpec(
        commands=(command,), url=url, ready_path="/health", metrics_url=None, ready_timeout_s=600, engine="vllm"
    )
    with started(spec, tmp_path, arm) as running:
        wait_ready(running, spec, silent)
        pids = [*running.pids().values(), *descendants(running.pids()["engine"])]
        assert len(pids) >= 2
        answer = ask(url)
        documents = {path: urllib.request.urlopen(url + path).read().decode() for path in engine.documents}
        log = read_text(Path(running.log_path))
    assert not any(map(is_alive, pids))

    marks = {row.mark for row in engine.log_patterns if row.mark and row.pattern.search(log)}
    assert {Mark.WEIGHTS_START, Mark.WEIGHTS_LOADED, Mark.KV_READY} <= marks
    facts = engine.effective_config(documents | {"log": log})
    assert (facts["engine_version"], facts["max_model_len"], facts["prefix_caching"]) == ("0.32.0", 512, True)
    old = {"vllm:gpu_cache_usage_perc", "vllm:time_per_output_token_seconds_sum"}
    old |= {"vllm:time_per_output_token_seconds_count"}
    assert {name for name in engine.metric_names if f"\n{name}{{" not in documents["/metrics"]} == old

    assert answer["usage"]["completion_tokens"] == 8
    other = llama_spec(arm, tmp_path, model=replace(TINY, precision="f16"))
    with started(other, tmp_path, replace(arm, env={}, packages=None, args=())) as running:
        wait_ready(running, other, silent)
        assert ask(running.url)["choices"][0]["text"] == answer["choices"][0]["text"]

"""The client against a real engine: llama.cpp with the tiny model that the demo makes."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.clock import now_ns
from bench.events import silent
from bench.load.driver import drive
from bench.load.job import LoadJob
from bench.model import Load, Model, Stage
from bench.runtimes.models import resolve_model
from bench.vocabulary import Api
from bench.wire.request import get_once

SCENARIO = Path(__file__).parents[2] / "scenarios" / "demo"


@pytest.fixture(scope="module")
def files():
    return resolve_model(Model(id="tiny-llama", made="tiny-llama", precision="q4_0"), str(SCENARIO), "gguf")


@pytest.fixture(scope="module")
def llamacpp(files):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--model", files.path, "--port", str(port), "--parallel", "2", "--max-model-len", "512", "--threads", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.runtimes.llamacpp_server", *flags],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            while get_once(url, "/health").status != 200:
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
            yield url
        finally:
            server.kill()


@pytest.mark.parametrize(("tokenizer", "api"), [("server", Api.COMPLETIONS), ("file", Api.CHAT)])
def test_prompts_and_answers_have_exactly_the_tokens_asked(llamacpp, files, tokenizer, api):
    traffic = Load(
        stages=(Stage(id="c2", concurrency=2, requests=8),), input_tokens=48, output_tokens=12, api=api,
        warmup_s=0.0, warmup_requests=0, timeout_s=30.0,
    )  # fmt: skip
    job = LoadJob(
        url=llamacpp, model="tiny-llama", load=traffic, seed=5, t0_ns=now_ns(), extras={"ignore_eos": True},
        tokenizer="server" if tokenizer == "server" else files.tokenizer_path,
    )  # fmt: skip
    result = drive(job, silent)
    rows = result.requests.to_pandas()
    assert (rows["status"] == "ok").all(), rows["error"].tolist()
    assert (rows["prompt_tokens"] == 48).all()
    assert (rows["output_tokens"] == 12).all()
    assert result.client["findings"] == []
    assert rows["window_tokens"].sum() == 96
    assert (rows["first_token_s"] < rows["last_token_s"]).all()

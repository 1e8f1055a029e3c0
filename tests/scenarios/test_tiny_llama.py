"""The tiny Llama: the same bytes everywhere, one tokenizer for both engines."""

from __future__ import annotations

import json
import random
import struct
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.engines import get_engine
from bench.events import silent
from bench.probes.server import parse_exposition
from bench.runtimes.models import read_recipe, resolve_model
from bench.runtimes.ready import wait_ready
from tests.runtimes.arms import DEMO, TINY, an_arm, llama_spec, started


def post(url: str, document: dict) -> dict:
    with urllib.request.urlopen(url, json.dumps(document).encode(), timeout=60) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(resolve_model(TINY, str(DEMO), "gguf").tokenizer_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    scratch, arm = tmp_path_factory.mktemp("llama"), an_arm()
    spec = llama_spec(arm, scratch, model=replace(TINY, precision="f16", max_model_len=2048))
    with started(spec, scratch, arm) as running:
        wait_ready(running, spec, silent)
        yield running


def random_texts(tokenizer: Tokenizer, count: int = 200) -> list[str]:
    """Words of the vocabulary, and what tokenizers disagree about: digits, blanks, line ends, other scripts."""
    draw = random.Random(7)
    odd = [
        "  ",
        "\n",
        "\n\n",
        "\t",
        "12345",
        "it's",
        "I'LL",
        "…",
        "ß",
        "日本語",
        "🙂",
        "a\u0301",
        "Привет",
        "x=1;",
        '"',
        "\\",
    ]
    texts = []
    for _ in range(count):
        parts = [
            tokenizer.decode([draw.randrange(2, 4096)]) if draw.random() < 0.7 else draw.choice(odd) for _ in range(40)
        ]
        texts.append("".join(parts).replace("\ufffd", ""))
    return texts


def test_llamacpp_tokenizes_as_the_tokenizer_file_does(server, tokenizer):
    for text in random_texts(tokenizer):
        found = post(f"{server.url}/tokenize", {"content": text, "add_special": True})["tokens"]
        assert found == tokenizer.encode(text).ids, text


def test_every_token_of_an_answer_is_a_chunk_of_text(server, tokenizer):
    body = {"prompt": "Ban gon", "max_tokens": 32, "temperature": 1.0, "ignore_eos": True, "seed": 3}
    answer = post(f"{server.url}/v1/completions", body)
    assert answer["usage"]["completion_tokens"] == 32
    assert answer["choices"][0]["text"].isascii()


def test_the_context_is_what_the_recipe_says(server):
    meta = json.load(urllib.request.urlopen(f"{server.url}/v1/models"))["data"][0]["meta"]
    assert (meta["n_ctx_train"], meta["n_vocab"], meta["ftype"]) == (2048, 4096, "F16")


def test_look_ups_and_hits_of_the_prefix_cache_are_those_of_the_answers(tmp_path):
    arm = an_arm(args=("--cache-prompt",))
    spec, engine = llama_spec(arm, tmp_path, model=replace(TINY, precision="f16")), get_engine("llamacpp")
    with started(spec, tmp_path, arm) as running:
        wait_ready(running, spec, silent)
        body = {"prompt": "Ban gon " * 40, "max_tokens": 2, "temperature": 0, "ignore_eos": True}
        usages = [post(f"{running.url}/v1/completions", body)["usage"] for _ in range(3)]
        text = urllib.request.urlopen(f"{running.url}/metrics").read().decode()
    values = parse_exposition(text, engine.metric_names).values
    assert sum(values[name] for name in engine.prefix_lookups) == sum(one["prompt_tokens"] for one in usages)
    cached = sum(one["prompt_tokens_details"]["cached_tokens"] for one in usages)
    assert values["prefix_cache_hits_total"] == cached > usages[0]["prompt_tokens"]


def test_the_safetensors_file_holds_the_weights_it_names():
    folder = Path(resolve_model(replace(TINY, precision="f16"), str(DEMO), "safetensors").path)
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
    spans = sorted(entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
    assert start % 8 == 0
    assert start + spans[-1][1] == (folder / "model.safetensors").stat().st_size
    config = json.loads((folder / "config.json").read_text())
    assert len(header) - 1 == config["num_hidden_layers"] * 9 + 3


def test_every_file_that_is_made_is_recorded():
    recipe = read_recipe("tiny-llama", str(DEMO))
    place = Path(resolve_model(TINY, str(DEMO), "gguf").path).parent
    assert {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()} == set(recipe["files"])


def test_making_it_again_gives_the_recorded_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path))
    found = resolve_model(TINY, str(DEMO), None)  # refuses other bytes
    assert found.files == read_recipe("tiny-llama", str(DEMO))["files"]

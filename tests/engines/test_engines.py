"""Engines are pure: from an arm and its ports to a command line, from texts to facts."""

from __future__ import annotations

import pytest

from bench.engines import ENGINES, get_engine
from bench.engines.base import Site
from bench.errors import InputError
from bench.model import Arm, Model
from bench.runtimes.base import Exit
from bench.runtimes.failures import classify
from bench.vocabulary import FailureKind, Mark, RuntimeKind, Side
from tests.engines.real import real

SITE = Site(ports={"engine": 18000}, scratch="/scratch", python="/env/bin/python", model_path="/models/m")
MODEL = Model(id="org/name", max_model_len=512)


def arm_of(engine: str, **changes) -> Arm:
    return Arm(name="one", engine=engine, side=Side.BUILD, runtime=RuntimeKind.PROCESS, **changes)


def marks_of(engine: str, log: str) -> set[Mark]:
    return {row.mark for row in get_engine(engine).log_patterns if row.mark and row.pattern.search(log)}


def test_an_unknown_engine_lists_the_known_ones():
    with pytest.raises(InputError, match="llamacpp, nim, sglang, vllm"):
        get_engine("vlmm")


# What each engine that starts on this host calls the model's path and its length.
WORDS = {
    "llamacpp": {"--model=/models/m", "--max-model-len=512"},
    "sglang": {"--model-path=/models/m", "--context-length=512"},
    "vllm": {"--model=/models/m", "--max-model-len=512"},
}


@pytest.mark.parametrize("name", sorted(WORDS))
def test_the_arms_own_arguments_come_last_so_that_they_win(name):
    arm = arm_of(name, args=("--mine=2",), env={"A": "b"})
    command = get_engine(name).command(arm, MODEL, ("--all=1",), SITE)
    assert command.argv[0] == "/env/bin/python"
    assert command.argv[-2:] == ("--all=1", "--mine=2")
    assert {"--port=18000", *WORDS[name]} <= set(command.argv)
    assert command.env["A"] == "b"


@pytest.mark.parametrize("name", sorted(WORDS))
def test_what_the_arguments_say_is_not_said_before_them(name):
    length = next(word for word in WORDS[name] if word.endswith("=512")).split("=")[0]
    command = get_engine(name).command(arm_of(name, args=(length, "256")), MODEL, (), SITE)
    assert [word for word in command.argv if word.startswith(length)] == [length]


@pytest.mark.parametrize("name", sorted(WORDS))
def test_an_arms_command_replaces_the_start_but_keeps_model_and_port(name):
    command = get_engine(name).command(arm_of(name, command=("wrap", "it")), MODEL, (), SITE)
    assert command.argv[:2] == ("wrap", "it")
    assert "--port=18000" in command.argv


def test_vllm_never_reports_to_anybody_and_listens_on_loopback():
    command = get_engine("vllm").command(arm_of("vllm"), MODEL, (), SITE)
    assert (command.env["VLLM_NO_USAGE_STATS"], command.env["DO_NOT_TRACK"]) == ("1", "1")
    assert "--host=127.0.0.1" in command.argv


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_failure_kind_of_a_table_has_one_repair(name):
    for row in get_engine(name).failure_patterns:
        assert row.repair.endswith(".")
        assert row.pattern.search("") is None, "a pattern that matches nothing would explain everything"


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_texts_that_are_no_documents_give_no_configuration(name):
    nonsense = {"/v1/models": "<html>", "/props": "[1]", "/metrics": "\0", "/version": "", "log": ""}
    assert get_engine(name).effective_config(nonsense) == {}


def test_a_real_vllm_log_shows_every_mark_and_its_facts():
    log = real("logs/vllm_0.13.0_qwen3-vl-moe_h100nvl.log")
    wanted = {Mark.WEIGHTS_START, Mark.WEIGHTS_LOADED, Mark.COMPILED, Mark.KV_READY, Mark.GRAPHS_READY}
    assert marks_of("vllm", log) == wanted
    facts = get_engine("vllm").effective_config({"log": log})
    expected = {"engine_version": "0.13.0", "kv_cache_tokens": 211_936, "weights_load_s": 182.98}
    assert {key: facts[key] for key in expected} == expected
    assert (facts["engine_init_s"], facts["compile_s"], facts["graph_capture_s"]) == (107.64, 73.37, 9)


def test_a_real_vllm_of_another_time_is_read_too():
    log = real("logs/nim_1.0.0_llama3-8b_vllm-fp16-tp1_k8s.log")
    assert Mark.GRAPHS_READY in marks_of("vllm", log)
    assert get_engine("vllm").effective_config({"log": log})["engine_version"] == "0.4.1"


def test_a_real_log_of_too_little_gpu_memory_is_named():
    failure = classify(
        "vllm",
        real("logs/nim_2.0.10_qwen3-vl-235b-awq_vllm0.26.0_oom_failure.log"),
        Exit(command="engine", code=1, signal=None),
    )
    assert failure.kind is FailureKind.GPU_MEMORY
    assert "Free memory on device cuda:0 (110.9/140.55 GiB)" in failure.text


def test_the_real_metrics_of_vllm_hold_our_names_and_the_cache_configuration():
    text = real("nv-benchmark/metrics_at_ready.txt")
    engine = get_engine("vllm")
    found = {ours for theirs, ours in engine.metric_names.items() if f"\n{theirs}{{" in text}
    assert found == set(engine.metric_names.values())
    facts = engine.effective_config({"/metrics": text})
    assert facts["gpu_memory_utilization"] == 0.8593560000536694  # where 0.92 had been asked
    assert (facts["kv_blocks"], facts["kv_cache_tokens"], facts["prefix_caching"]) == (5094, 81_504, True)


def test_killed_silent_and_crashed_are_told_apart():
    kinds = [
        classify("llamacpp", "", exited).kind
        for exited in (
            Exit(command="engine", code=None, signal=9),
            Exit(command="engine", code=None, signal=11),
            Exit(command="engine", code=2, signal=None),
            None,
        )
    ]
    assert kinds == [
        FailureKind.HOST_MEMORY_KILL,
        FailureKind.CRASHED,
        FailureKind.CRASHED,
        FailureKind.TIMEOUT,
    ]


def test_llamacpp_names_a_taken_port():
    words = "E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18080"
    assert classify("llamacpp", words, None).kind is FailureKind.PORT_TAKEN


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_model_that_the_scenario_does_not_name_is_left_to_the_arms_command(name):
    site = Site(ports={"engine": 1}, scratch="/s", python="/p", model_path=None)
    command = get_engine(name).command(arm_of(name, command=("wrap",)), MODEL, (), site)
    assert not [word for word in command.argv if "None" in word]


def test_vllm_in_a_container_without_shared_memory_is_named():
    words = (
        "(EngineCore pid=26) ERROR 11-23 22:06:03 [core.py:1510] RuntimeError: Insufficient space in /dev/shm for "
        "shared-memory allocation: 160 MiB required, 64 MiB free. Increase /dev/shm (e.g. --shm-size or --ipc=host)."
    )
    failure = classify("vllm", words, Exit(command="engine", code=1, signal=None))
    assert (failure.kind, "shm_size" in failure.repair) == (FailureKind.HOST_MEMORY_KILL, True)

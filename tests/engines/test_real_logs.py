"""Every recorded log of a real NIM, vLLM and SGLang: exact marks, exact facts, exact kind of failure."""

from __future__ import annotations

import pytest

from bench.engines import get_engine
from bench.runtimes.base import Exit
from bench.runtimes.failures import classify
from bench.vocabulary import FailureKind, Mark
from tests.engines.real import real

NIM_1 = "8835c31752fbc67ef658b20a9f78e056914fdef0660206d82f252d62fd96064d"
NIM_1_MARKS = {
    Mark.PROFILE_SELECTED: "Selected profile: ",
    Mark.WEIGHTS_LOCAL: "Model workspace is now ready. It took",
    Mark.WEIGHTS_LOADED: "Loading model weights took 14.9595 GB",
    Mark.KV_READY: "# GPU blocks: ",
    Mark.GRAPHS_READY: "Graph capturing finished in ",
}
LOGS = {
    "nim_1.0.0_llama3-8b_jsonlogs_L4_gke.log": ("nim", NIM_1_MARKS),
    "nim_1.0.0_llama3-8b_vllm-fp16-tp1_k8s.log": ("nim", NIM_1_MARKS),
    "nim_trtllm_a10g_jsonlogs_fragment.log": (
        "nim",
        {Mark.WEIGHTS_LOADED: "Loaded engine size: 15323 MiB", Mark.KV_READY: "Max tokens in paged KV cache: 38400"},
    ),
    "nim_1.0.0_rtx4090_no_runnable_profile_fragment.log": ("nim", {}),
    "nim_1.8.4_llama-3.2-1b_list-model-profiles_rtx6000ada.log": ("nim", {}),
    "nim_2.0.10_qwen3-vl-235b-awq_vllm0.26.0_oom_failure.log": ("nim", {}),
    "sglang_0.4.6.post2_qwen3-0.6b_start_to_ready.log": (
        "sglang",
        {
            Mark.WEIGHTS_START: "Load weight begin.",
            Mark.WEIGHTS_LOADED: "Load weight end. type=Qwen3ForCausalLM",
            Mark.KV_READY: "KV Cache is allocated. #tokens: 15387",
            Mark.GRAPHS_READY: "Capture cuda graph end. Time elapsed: 24.85 s",
        },
    ),
    "vllm_0.13.0_qwen3-vl-moe_h100nvl.log": (
        "vllm",
        {
            Mark.WEIGHTS_START: "Starting to load model",
            Mark.WEIGHTS_LOADED: "Model loading took 58.2299 GiB memory and 199.672085 seconds",
            Mark.COMPILED: "torch.compile takes 73.37 s in total",
            Mark.KV_READY: "GPU KV cache size: 211,936 tokens",
            Mark.GRAPHS_READY: "Graph capturing finished in 9 secs, took 0.66 GiB",
        },
    ),
}
NIM_1_FACTS = {
    "nim_version": "1.0.0",
    "engine_inside": "vllm",
    "engine_version": "0.4.1",
    "profile_id": NIM_1,
    "profile_name": "vllm-fp16-tp1",
    "profile_precision": "fp16",
    "precision": "bfloat16",  # what vLLM computes in, whatever the profile is called
    "quantization": "none",
    "speculative": "none",
    "max_model_len": 8192,
    "kv_cache_dtype": "auto",
    "attention_backend": "FLASH_ATTN",
    "compatible_profiles": 1,
    "weights_gib": 14.9595,
}
FACTS = {
    "nim_1.0.0_llama3-8b_jsonlogs_L4_gke.log": NIM_1_FACTS
    | {"kv_blocks": 1504, "workspace_s": 46.358, "graph_capture_s": 9},
    "nim_1.0.0_llama3-8b_vllm-fp16-tp1_k8s.log": NIM_1_FACTS
    | {"kv_blocks": 27_793, "workspace_s": 49.375, "graph_capture_s": 5},
    "nim_trtllm_a10g_jsonlogs_fragment.log": {
        "engine_inside": "tensorrt_llm",
        "kv_cache_tokens": 38_400,
        "kv_cache_memory_bytes": 5_033_164_800,
        "max_num_seqs": 32,
        "engine_mib": 15_323,
    },
    "nim_1.0.0_rtx4090_no_runnable_profile_fragment.log": {},
    "nim_1.8.4_llama-3.2-1b_list-model-profiles_rtx6000ada.log": {"nim_version": "1.8.4"},
    "nim_2.0.10_qwen3-vl-235b-awq_vllm0.26.0_oom_failure.log": {
        "nim_version": "2.0.10",
        "engine_inside": "vllm",
        "engine_version": "0.26.0",
    },
    "sglang_0.4.6.post2_qwen3-0.6b_start_to_ready.log": {
        "engine_inside": "sglang",
        "precision": "bfloat16",
        "quantization": "none",
        "kv_cache_tokens": 15_387,
        "max_model_len": 40_960,
        "max_num_seqs": 2049,
        "max_num_batched_tokens": 2048,
        "prefix_caching": True,
        "speculative": "none",
        "attention_backend": "FLASHINFER",
        "graph_capture_s": 24.85,
        "weights_gib": 1.2,
    },
    "vllm_0.13.0_qwen3-vl-moe_h100nvl.log": {
        "engine_inside": "vllm",
        "engine_version": "0.13.0",
        "precision": "bfloat16",
        "quantization": "none",
        "kv_cache_tokens": 211_936,
        "max_model_len": 8192,
        "max_num_batched_tokens": 8192,
        "prefix_caching": True,
        "attention_backend": "FLASH_ATTN",
        "compile_cache_hit": False,
    },
}
KINDS = {
    "nim_1.0.0_rtx4090_no_runnable_profile_fragment.log": FailureKind.NO_COMPATIBLE_PROFILE,
    "nim_2.0.10_qwen3-vl-235b-awq_vllm0.26.0_oom_failure.log": FailureKind.GPU_MEMORY,
}
PREFIXES = {"plain": "", "of the suite": "12.345678 engine ", "of compose": "nim-1  | ", "both": "0.1 engine nim-1  | "}


def with_prefix(log: str, prefix: str) -> str:
    return "".join(f"{prefix}{line}\n" for line in log.splitlines())


def marks_of(engine: str, log: str) -> dict[Mark, str]:
    """Mark -> the line that proves it, by the rule of the cold-start probe: the first row of the table that occurs."""
    found: dict[Mark, str] = {}
    for row in get_engine(engine).log_patterns:
        line = next((one for one in log.splitlines() if row.pattern.search(one)), None) if row.mark else None
        if line is not None:
            found.setdefault(row.mark, line)
    return found


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_each_mark_is_proved_by_the_line_that_says_so(name, prefix):
    engine, wanted = LOGS[name]
    found = marks_of(engine, with_prefix(real(f"logs/{name}"), prefix))
    assert set(found) == set(wanted)
    assert [mark for mark, words in wanted.items() if words not in found[mark]] == []


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_the_facts_of_a_log_are_numbers_and_words_of_one_kind(name, prefix):
    log = with_prefix(real(f"logs/{name}"), prefix)
    facts = get_engine(LOGS[name][0]).effective_config({"log": log})
    assert {key: facts.get(key) for key in FACTS[name]} == FACTS[name]
    assert "engine_inside" in facts or not FACTS[name].get("engine_inside")


@pytest.mark.parametrize("name", LOGS)
def test_a_failure_has_its_kind_and_a_good_start_has_none(name):
    failure = classify(LOGS[name][0], real(f"logs/{name}"), Exit(command="engine", code=1, signal=None))
    assert failure.kind is KINDS.get(name, FailureKind.CRASHED)


def test_a_nims_metrics_with_vllm_inside_hold_our_names_and_the_clamped_memory():
    text = real("nv-benchmark/metrics_at_ready.txt")
    facts = get_engine("nim").effective_config({"/v1/metrics": text})
    assert facts == {
        "engine_inside": "vllm",
        "gpu_memory_utilization": 0.8593560000536694,
        "kv_blocks": 5094,
        "kv_block_tokens": 16,
        "kv_cache_tokens": 81_504,
        "kv_cache_dtype": "auto",
        "prefix_caching": True,
    }
    names = get_engine("nim").metric_names
    assert {names[one] for one in names if f"\n{one}{{" in text} >= {"requests_running", "output_tokens_total"}

"""Names of NIM profiles, against real listings of 1.8.4 and 2.0.11."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.engines.profiles import State, choose_profile, parse_listing
from bench.errors import ArmError, InputError
from bench.vocabulary import FailureKind
from tests.engines.real import real

OLD = "logs/nim_1.8.4_llama-3.2-1b_list-model-profiles_rtx6000ada.log"
NEW = "nv-benchmark/probe_2.0.11_profiles.txt"
ID = "092ed4213624e774d24cdaf84e3b6222839bab2008a21d3c214ab46626366f90"
MADE = """MODEL PROFILES
- Compatible with system and runnable:
    - {:064x} (vllm-bf16-tp1-pp1-33.0)
  - With LoRA support:
    - {:064x} (vllm-bf16-tp1-pp1-feat_lora-33.0)
- Compatible with system but low memory:
    - {:064x} (vllm-fp8-tp1-pp1-27.0) [requires >=27 GB/gpu]
- Compilable to TRT-LLM using just-in-time compilation of HF models to TRTLLM engines:
    - {:064x} (tensorrt_llm-trtllm_buildable-bf16-tp1-pp1)
- Incompatible with system:
    - {:064x} (vllm-fp8-tp1-pp1-90.0)
    - {:064x} (tensorrt_llm-h100-fp8-tp1-pp1-throughput)
""".format(*range(1, 7))


def test_a_listing_of_1_8_is_read_whole():
    listing = parse_listing(real(OLD))
    assert Counter((row.engine, row.lora) for row in listing.profiles) == {
        ("tensorrt_llm", False): 14,
        ("tensorrt_llm", True): 14,
        ("vllm", False): 1,
        ("vllm", True): 1,
    }
    assert {row.state for row in listing.profiles} == {State.INCOMPATIBLE}
    assert listing.usable() == ()


def test_a_listing_of_2_0_is_read_whole():
    rows = parse_listing(real(NEW)).profiles
    assert [(row.name, row.precision, row.memory_gb, row.lora) for row in rows] == [
        ("vllm-fp8-tp1-pp1", "fp8", 27, False),
        ("vllm-fp8-tp1-pp1-feat_lora", "fp8", 27, True),
        ("vllm-bf16-tp1-pp1", "bf16", 33, False),
        ("vllm-bf16-tp1-pp1-feat_lora", "bf16", 33, True),
        ("vllm-nvfp4-tp1-pp1", "nvfp4", 24, False),
        ("vllm-nvfp4-tp1-pp1-feat_lora", "nvfp4", 24, True),
    ]
    assert {row.state for row in rows} == {State.LOW_MEMORY}
    assert rows[2].requirement == "requires >=33 GB/gpu, try --max-model-len=84480 to reduce to >=28 GB/gpu"


@pytest.mark.parametrize("name", ["vllm-bf16-tp1-pp1", "vllm-bf16-tp1-pp1-33.0", ID])
def test_a_name_is_found_without_its_memory_and_without_its_lora_twin(name):
    assert choose_profile(parse_listing(real(NEW)), name).id == ID


@pytest.mark.parametrize("end", ["-lora", "-feat_lora", "-lora-lora"])
def test_a_lora_twin_is_chosen_when_asked_for(end):
    assert choose_profile(parse_listing(MADE), f"vllm-bf16-tp1-pp1{end}").id == f"{2:064x}"


def test_the_state_of_a_row_is_that_of_the_heading_above_and_the_best_wins():
    listing = parse_listing(MADE)
    states = [State.RUNNABLE] * 2 + [State.LOW_MEMORY, State.BUILDABLE] + [State.INCOMPATIBLE] * 2
    assert [row.state for row in listing.profiles] == states
    assert choose_profile(listing, "vllm-fp8-tp1-pp1").id == f"{3:064x}", "low memory before incompatible"
    assert [row.state for row in listing.usable()] == states[:4]


def test_prefixes_of_the_suite_do_not_hide_rows():
    text = "".join(f"3.25 engine {line}\n" for line in MADE.splitlines())
    assert parse_listing(text) == parse_listing(MADE)


def test_a_profile_for_another_gpu_is_no_compatible_profile_and_the_usable_are_named():
    with pytest.raises(ArmError) as refused:
        choose_profile(parse_listing(MADE), "tensorrt_llm-h100-fp8-tp1-pp1-throughput", arm="nim")
    assert refused.value.kind is FailureKind.NO_COMPATIBLE_PROFILE
    assert "vllm-bf16-tp1-pp1 (runnable), vllm-fp8-tp1-pp1 (low memory)" in str(refused.value)


def test_a_mistyped_name_is_answered_with_the_near_ones():
    with pytest.raises(InputError) as refused:
        choose_profile(parse_listing(real(NEW)), "vllm-bf16-tp1", arm="nim")
    assert refused.value.where == "arms.nim.profile"
    assert str(refused.value.expected).startswith("vllm-bf16-tp1-pp1 (low memory)")


def test_an_id_with_its_description_is_refused_with_the_id_alone():
    with pytest.raises(InputError, match=f"write {ID}"):
        choose_profile(parse_listing(real(NEW)), f"{ID} (vllm-bf16-tp1-pp1-33.0)")


def test_a_text_without_profiles_is_no_listing():
    with pytest.raises(InputError, match="holds no profile"):
        choose_profile(parse_listing("permission denied\n"), "vllm-bf16-tp1-pp1")


def test_the_build_at_the_end_of_a_name_is_no_part_of_it():
    one, two, other = ("a" * 64, "b" * 64, "c" * 64)
    name = "tensorrt_llm-h100-fp8-tp1-pp1-throughput"
    rows = [f"- {one} ({name}-2330:10de-{other}-1)", f"- {two} (vllm-bf16-tp2-pp1-{other})"]
    listing = parse_listing("\n".join(["MODEL PROFILES", "- Compatible with system and runnable:", *rows]))
    assert [row.name for row in listing.profiles] == [name, "vllm-bf16-tp2-pp1"]
    assert choose_profile(listing, name).id == one
    assert choose_profile(listing, f"{name}-2330:10de-{other}-1").id == one
    with pytest.raises(InputError, match="no profile of that name"):
        choose_profile(listing, f"{name}-2330:10de-{two}-1")

"""The custom arm's arguments from a NIM's dry run; the oracle is what a published comparison gave its own arm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.engines.alignment import Edit, aligned_args, engine_args
from bench.errors import ArmError
from tests.engines.real import real


def recorded() -> dict[str, Any]:
    return dict(json.loads(real("nv-benchmark/v_args.json")))


def dry_run(case: dict[str, Any], *, prefix: str = "", one_line: bool = False) -> str:
    """The recorded lists in the form in which `nim-serve --dry-run` of 2.0.12 prints them."""
    joint = " " if one_line else " \\\n    "
    lines = [
        f"Selected profile: {case['n_selected_profile']}",
        "",
        "Resolved Configuration (JSON)",
        "-----------------------------",
        *json.dumps(case["n_resolved_config"], indent=2).splitlines(),
        "",
        "Backend Arguments",
        "-----------------",
        *joint.join(["  vllm serve", *case["n_backend_args"]]).splitlines(),
        "",
        "Shutting down.",
    ]
    return "".join(f"{prefix}{line}\n" for line in lines)


@pytest.mark.parametrize("form", [{}, {"prefix": "4.5 engine "}, {"one_line": True}], ids=str)
def test_a_dry_run_is_read(form):
    case = recorded()
    args = engine_args(dry_run(case, **form))
    assert (args.program, args.model) == (("vllm", "serve"), case["n_backend_args"][0])
    assert list(args.args) == case["n_backend_args"][1:]
    assert args.profile_id == case["n_selected_profile"]
    assert args.resolved == case["n_resolved_config"]["config"]


def test_the_custom_arm_gets_what_the_published_comparison_gave_it_and_every_edit_is_told():
    case = recorded()
    before, after = case["v_edits"][0]["model_path"]
    given, edits = aligned_args(engine_args(dry_run(case)), model_path=after)
    assert list(given) == case["v_args"]
    assert [(edit.action, edit.flag, edit.before) for edit in edits] == [
        ("replaced", "model", before),
        ("dropped", "--middleware", case["v_edits"][1]["nim_middleware_dropped"]),
        ("dropped", "--middleware", case["v_edits"][2]["nim_middleware_dropped"]),
        ("dropped", "--port", case["v_edits"][3]["port_dropped"]),
        ("dropped", "--host", case["v_edits"][4]["host_dropped"]),
    ]
    assert edits[0].after == after
    assert all(edit.reason for edit in edits)


def aligned(line: str, path: str | None = "/weights") -> tuple[list[str], tuple[Edit, ...]]:
    given, edits = aligned_args(engine_args(line), model_path=path)
    return list(given), edits


def test_joined_flags_quotes_and_numbers_below_zero_keep_their_shape():
    line = "vllm serve /ws --port=8001 --kv-transfer-config '{\"a\": 1}' --seed -1 --served-model-name a b -tp 2"
    given, edits = aligned(line)
    assert given == ["--kv-transfer-config", '{"a": 1}', "--seed", "-1", "--served-model-name", "a", "b", "-tp", "2"]
    assert [(edit.action, edit.before) for edit in edits] == [("replaced", "/ws"), ("dropped", "8001")]


def test_a_file_of_the_workspace_is_swapped_too_and_one_of_the_nims_image_is_pointed_out():
    given, edits = aligned("vllm serve /ws --tokenizer=/ws/tok --chat-template /opt/nim/chat.jinja --middleware mine.X")
    assert given == ["--tokenizer=/weights/tok", "--chat-template", "/opt/nim/chat.jinja", "--middleware", "mine.X"]
    assert [(edit.action, edit.flag) for edit in edits[1:]] == [
        ("replaced", "--tokenizer"),
        ("kept", "--chat-template"),
    ]


def test_sglang_and_llamacpp_inside_are_read_from_the_same_section():
    section = "Backend Arguments\n-----------------\n  {} \\\n    --host 127.0.0.1 \\\n    --x 1\n\n"
    args = engine_args(section.format("python3 -m sglang.launch_server --model-path /ws"))
    assert (args.program, args.model) == (("python3", "-m", "sglang.launch_server"), "/ws")
    assert aligned_args(args, model_path="/weights")[0] == ("--x", "1")
    args = engine_args(section.format("llama-server --model /ws/model.gguf"))
    assert (args.program, args.model) == (("llama-server",), "/ws/model.gguf")


@pytest.mark.parametrize("text", ["", "nim-serve: error: unrecognized arguments: --dry-run\n", "vllm is not here"])
def test_an_output_without_a_command_is_an_error_that_shows_it(text):
    with pytest.raises(ArmError, match="printed no command") as refused:
        engine_args(text, arm="nim")
    assert refused.value.log_tail == tuple(text.splitlines())

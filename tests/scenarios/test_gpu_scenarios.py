"""The scenarios for GPU hosts: none was run here, so all that can be checked without a GPU is checked."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import nimbench
from bench.dockerhost.line import docker_run_line
from bench.model import Arm, Scenario
from bench.plan import launch_spec, make_plan
from bench.plan.commands import UNPREPARED, model_path
from bench.plan.containers import GPU_PLACEHOLDER, prepare_spec
from bench.scenario import load_scenario
from bench.secrets import Redactor
from bench.vocabulary import Question, RuntimeKind

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = (
    "llama-h100",
    "llama-h100-multi-llm",
    "llama-h100-sglang",
    "llama-h100-shipped",
    "llama-h100-trtllm",
    "nim-as-base",
    "vllm-bases-h100",
)
KEY = "NGC_API_KEY"
CANARY = "nvapi-canary-0123456789"
WRITTEN = ("scenario.yaml", "Dockerfile")  # scenario.lock has a key for the source of each digest


def scenario_of(name: str) -> Scenario:
    return load_scenario(str(SCENARIOS / name))


def line_of(scenario: Scenario, arm: Arm) -> str:
    """As a host without the GPU shows it."""
    container = launch_spec(scenario, arm.name, make_plan(scenario), scratch="/s").container
    assert container is not None
    return docker_run_line(container, Redactor.knowing(container.env))


ARMS = [pytest.param(name, arm.name, id=f"{name}-{arm.name}") for name in NAMES for arm in scenario_of(name).arms]
PREPARED_ARMS = [
    pytest.param(name, arm.name, id=f"{name}-{arm.name}")
    for name in NAMES
    for arm in scenario_of(name).arms
    if arm.prepare
]


def test_these_are_all_scenarios_that_ask_for_a_gpu() -> None:
    folders = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))
    assert [name for name in folders if scenario_of(name).gpu] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_was_never_run_and_names_the_card_exactly(name: str) -> None:
    scenario = scenario_of(name)
    assert "NEVER RUN" in (SCENARIOS / name / "scenario.yaml").read_text()
    assert scenario.gpu is not None
    assert scenario.gpu.name == "NVIDIA H100 80GB HBM3"
    assert scenario.host.driver_min and scenario.host.docker_min and scenario.host.toolkit_min
    assert scenario.host.disk_min_bytes
    assert all(arm.runtime is RuntimeKind.DOCKER for arm in scenario.arms)


@pytest.mark.parametrize(("name", "arm_name"), ARMS)
def test_the_docker_line_has_gpus_a_named_volume_a_loopback_port_and_no_key(
    name: str, arm_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, CANARY)
    scenario = scenario_of(name)
    arm = next(arm for arm in scenario.arms if arm.name == arm_name)
    line = line_of(scenario, arm)
    words = shlex.split(line)
    assert words[:3] == ["docker", "run", "--rm"]
    assert f'--gpus="device={GPU_PLACEHOLDER}"' in words
    assert [word for word in words if word.startswith("--publish=")] == [
        word for word in words if word.startswith("--publish=127.0.0.1:")
    ]
    assert any(word.startswith("--mount=type=volume,source=nimbench-") for word in words)
    assert "type=bind" not in line
    assert KEY not in line
    assert CANARY not in line
    assert "privileged" not in line
    assert "--host=127.0.0.1" not in words  # inside of a container nobody could reach it
    assert not re.search(r"\$\{\w+\}", line)


@pytest.mark.parametrize(("name", "arm_name"), PREPARED_ARMS)
def test_the_step_that_downloads_may_see_the_key_and_no_measured_start_may(name: str, arm_name: str) -> None:
    scenario = scenario_of(name)
    arm = next(arm for arm in scenario.arms if arm.name == arm_name)
    step = prepare_spec(scenario, arm, model_path(scenario, arm), UNPREPARED)
    assert step.secrets == (KEY,)
    assert step.host_port is None
    assert all(one.secrets.run == () for one in scenario.arms)
    assert step.argv[0] == "download-to-cache"
    wanted = arm.profile_id or (f"id-of-{arm.profile}" if arm.profile else "")
    assert wanted in " ".join(step.argv)


@pytest.mark.parametrize("name", NAMES)
def test_plan_shows_every_step_and_no_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, CANARY)
    shown = CliRunner().invoke(nimbench, ["plan", str(SCENARIOS / name), "--json"])
    assert shown.exit_code == 0, shown.output
    assert CANARY not in shown.output
    for arm in json.loads(shown.stdout)["arms"].values():
        lines = {part["name"]: part["line"] for part in (*arm["before"], *arm["commands"])}
        named = [step for step, line in lines.items() if f"--env={KEY}" in shlex.split(line)]
        assert named == (["prepare"] if "prepare" in lines else [])


def test_an_old_nim_cannot_be_had_without_a_key_and_a_new_one_can() -> None:
    old, new, _ = scenario_of("llama-h100-trtllm").arms
    assert (old.secrets.prepare_required, old.secrets.prepare_optional) == ((KEY,), ())
    assert (new.secrets.prepare_required, new.secrets.prepare_optional) == ((), (KEY,))


def written_files() -> list[Path]:
    return sorted(path for path in SCENARIOS.rglob("*") if path.name in WRITTEN)


@pytest.mark.parametrize("path", written_files(), ids=lambda path: "-".join(path.relative_to(SCENARIOS).parts))
def test_a_digest_without_a_source_is_a_defect(path: Path) -> None:
    lines = path.read_text().splitlines()
    digests = [index for index, line in enumerate(lines) if re.search(r"@sha256:[0-9a-f]{64}\b", line)]
    assert [lines[index] for index in digests if "# source:" not in " ".join(lines[max(0, index - 3) : index])] == []
    assert not [line for line in lines if re.search(r"@sha256:(?![0-9a-f]{64}\b)", line)]


@pytest.mark.parametrize("name", NAMES)
def test_hashes_of_weights_have_a_source_too(name: str) -> None:
    if scenario_of(name).model.weights is not None:
        part = (SCENARIOS / name / "scenario.yaml").read_text().split("  weights:")[1]
        assert "# source:" in part.split("sha256:")[0]


def base_images(scenario: Scenario) -> list[str]:
    builds = [arm.build for arm in scenario.arms if arm.build is not None]
    texts = [Path(build.context, build.dockerfile).read_text() for build in builds if build.base_arm is None]
    return [found for text in texts for found in re.findall(r"^ARG BASE_IMAGE=(\S+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_digest_is_a_version_for_nimbench_pin_and_never_latest(name: str) -> None:
    scenario = scenario_of(name)
    references = [arm.image for arm in scenario.arms if arm.image] + base_images(scenario)
    tags = [reference.partition("@")[0].rpartition(":")[2] for reference in references]
    assert references
    assert not [tag for tag in tags if not re.match(r"v?\d+\.\d+", tag)]


@pytest.mark.parametrize("name", NAMES)
def test_other_engines_inside_are_never_called_matched(name: str) -> None:
    scenario = scenario_of(name)
    engines = {arm.engine for arm in scenario.arms}
    compiled = [arm for arm in scenario.arms if (arm.profile or "").startswith("tensorrt_llm")]
    if engines - {"nim", "vllm"} or compiled:
        assert scenario.question is Question.SHIPPED


@pytest.mark.parametrize("name", NAMES)
def test_our_own_arms_read_the_one_copy_of_the_weights_and_cannot_write_it(name: str) -> None:
    scenario = scenario_of(name)
    weights = scenario.model.weights
    if weights is None:
        assert {arm.engine for arm in scenario.arms} == {"nim"}
        return
    bringer = next((arm for arm in scenario.arms if arm.name == weights.from_arm), scenario.arms[0])
    (source,) = [mount for mount in bringer.mounts if weights.path.startswith(mount.target)]
    assert source.read_only is (weights.from_arm is None)  # nobody writes what another scenario brought
    for arm in scenario.arms:
        if arm.engine != "nim":
            mounts = [mount for mount in arm.mounts if mount.volume == source.volume]
            assert [(mount.target, mount.read_only) for mount in mounts] == [(source.target, True)]
            assert weights.path in line_of(scenario, arm)


def test_the_three_bases_carry_one_engine_on_the_weights_of_another_scenario_and_say_their_tags() -> None:
    scenario, owner = scenario_of("vllm-bases-h100"), scenario_of("llama-h100")
    assert scenario.model.weights is not None and owner.model.weights is not None
    assert scenario.model.weights.sha256 == owner.model.weights.sha256
    assert scenario.model.weights.path == owner.model.weights.path
    dockerfiles = [Path(arm.build.context, "Dockerfile").read_text() for arm in scenario.arms if arm.build]
    bases = [re.search(r"^ARG BASE_IMAGE=(\S+)", text, re.MULTILINE)[1] for text in dockerfiles]  # type: ignore[index]
    assert [base.partition(":")[0] for base in bases] == ["vllm/vllm-openai", "pytorch/pytorch", "nvidia/cuda"]
    assert all("startswith('0.27.1') and t.startswith('2.13.0')" in text for text in dockerfiles)
    lock = (SCENARIOS / "vllm-bases-h100" / "requirements.lock").read_text()
    assert "\nvllm==0.27.1 " in lock and "\ntorch==2.13.0 " in lock
    pytorch_tag = bases[1].partition(":")[2]
    assert pytorch_tag.startswith("2.13.0-cuda13.0") and bases[2].partition(":")[2].startswith("13.0")


def test_matched_arms_get_the_same_arguments_and_the_same_name() -> None:
    scenario = scenario_of("llama-h100")
    nim, custom = scenario.arms
    assert scenario.question is Question.CONTAINER
    nim_words, custom_words = (shlex.split(line_of(scenario, arm)) for arm in (nim, custom))
    arguments = nim_words[nim_words.index("nim-serve") + 1 :]
    assert arguments == list(scenario.serve_args)
    assert [word for word in arguments if word not in custom_words] == []
    assert f"--max-model-len={scenario.model.max_model_len}" in arguments
    assert any(word.startswith("--kv-cache-memory-bytes=") for word in arguments)
    assert f"--served-model-name={scenario.model.id}" in custom_words


def test_shipped_means_that_nothing_is_set_but_what_is_declared() -> None:
    scenario = scenario_of("llama-h100-shipped")
    nim, vllm, fp8 = scenario.arms
    assert (scenario.serve_args, nim.args, nim.command, nim.profile, nim.profile_id) == ((), (), None, None, None)
    assert (vllm.args, vllm.command) == ((), None)
    assert fp8.args == ("--quantization=fp8",)
    assert scenario.model.max_model_len is None


def test_an_image_built_from_a_nim_is_started_like_one() -> None:
    scenario = scenario_of("nim-as-base")
    nim, derived = scenario.arms
    assert derived.build is not None
    assert (derived.build.base_arm, derived.engine) == ("nim", "nim")
    text = Path(derived.build.context, "Dockerfile").read_text()
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]", line)]
    assert instructions == ["ARG", "FROM", "ENV", "LABEL"]  # one change: the ENV
    first, second = (
        launch_spec(scenario, arm.name, make_plan(scenario), scratch="/s").container for arm in (nim, derived)
    )
    assert first is not None
    assert second is not None
    assert (first.argv, first.env, first.mounts) == (second.argv, second.env, second.mounts)

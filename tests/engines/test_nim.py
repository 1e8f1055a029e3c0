"""A NIM's start, and what it says of itself in labels, documents and events."""

from __future__ import annotations

import json

import pytest

from bench.container import ImageFacts
from bench.engines import get_engine
from bench.engines.base import Site
from bench.engines.nim_facts import generation, resolved_config
from bench.errors import InputError
from bench.model import Arm, Model
from bench.runtimes.failures import classify
from bench.vocabulary import FailureKind, RuntimeKind, Side
from tests.engines.real import real

NIM = get_engine("nim")
ID = "092ed4213624e774d24cdaf84e3b6222839bab2008a21d3c214ab46626366f90"


def arm(**changes) -> Arm:
    return Arm(name="nim", engine="nim", side=Side.BUY, runtime=RuntimeKind.DOCKER, **changes)


def site(**changes) -> Site:
    given = {"ports": {"engine": 8000}, "scratch": "/tmp", "python": "python3", "model_path": "/m", "container": True}
    return Site(**(given | changes))


def image(version: str, **changes) -> ImageFacts:
    return ImageFacts(reference="nim", id="sha256:1", labels={"com.nvidia.nim.version": version}, **changes)


def start(an_arm: Arm, serve_args: tuple[str, ...] = (), a_site: Site | None = None, length: int | None = None):
    return NIM.command(an_arm, Model(id="org/m", max_model_len=length), serve_args, a_site or site())


def test_a_nim_without_settings_gets_the_log_level_and_nothing_else():
    command = start(arm())
    assert (command.argv, command.entrypoint, dict(command.env)) == ((), None, {"NIM_LOG_LEVEL": "INFO"})


def test_the_arms_environment_wins():
    assert start(arm(env={"NIM_LOG_LEVEL": "DEBUG", "A": "b"})).env == {"NIM_LOG_LEVEL": "DEBUG", "A": "b"}


def test_arguments_follow_the_command_and_the_images_entrypoint_stays():
    command = start(arm(command=("nim-serve",), args=("--mine",)), ("--all",), length=8192)
    assert (command.argv, command.entrypoint) == (("nim-serve", "--all", "--mine"), None)
    assert command.env["NIM_MAX_MODEL_LEN"] == "8192"


@pytest.mark.parametrize("word", ["--max-model-len=4096", "--max_model_len=4096"])
def test_a_length_in_the_arguments_is_not_said_again(word):
    assert "NIM_MAX_MODEL_LEN" not in start(arm(command=("nim-serve",), args=(word,)), length=8192).env


def test_arguments_that_nothing_takes_are_refused_with_the_repair():
    with pytest.raises(InputError) as refused:
        start(arm(), ("--max-num-seqs=8",))
    assert refused.value.where == "arms.nim"
    assert "command: [nim-serve]" in str(refused.value)
    assert "--max-num-seqs=8" in str(refused.value)


def test_a_nim_1_is_not_told_to_use_a_verb_of_2():
    with pytest.raises(InputError) as refused:
        start(arm(), ("--x",), site(image=image("1.13.1")))
    assert "nim-serve" not in str(refused.value)
    assert "NIM_MAX_MODEL_LEN" in str(refused.value)
    with pytest.raises(InputError, match=r"NIM 1\.x does not have"):
        start(arm(command=("nim-serve",)), a_site=site(image=image("1.13.1")))


def test_a_prepared_profile_is_pinned_and_looks_for_no_hub():
    env = start(arm(prepare=("download-to-cache", "-p", ID)), a_site=site(profile_id=ID)).env
    assert (env["NIM_MODEL_PROFILE"], env["HF_HUB_OFFLINE"]) == (ID, "1")
    assert "HF_HUB_OFFLINE" not in start(arm(), a_site=site(profile_id=ID)).env, "what nobody brought must be fetched"


def test_with_the_hosts_network_the_port_is_the_plans():
    assert start(arm(), a_site=site(ports={"engine": 18400}, host_network=True)).env["NIM_SERVER_PORT"] == "18400"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (image("2.0.12"), "2.x"),
        (image("1.13.1"), "1.x"),
        (ImageFacts(reference="n", id="i", env={"INFERENCE_MICROSERVICE_LLM_NIM_VERSION": "2.1.5"}), "2.x"),
        (ImageFacts(reference="vllm", id="i"), None),
        (None, None),
    ],
)
def test_the_generation_is_read_from_the_image(facts, wanted):
    assert generation(facts) == wanted


def test_the_labels_and_environment_of_a_real_image_tell_what_is_inside():
    text = real("nv-benchmark/inspect_meta_llama-3.1-8b-instruct_2.0.12.txt")
    head, _, rest = text.partition("--- labels:")
    labels = rest.partition("--- RepoDigests:")[0]
    env = dict(line.split("=", 1) for line in head.splitlines() if "=" in line and not line.startswith("#"))
    assert NIM.effective_config({"image_labels": labels, "image_env": json.dumps(env)}) == {
        "nim_version": "2.0.12",
        "engine_inside": "vllm",
        "engine_version": "0.27.1",
        "served_model": "meta/llama-3.1-8b-instruct",
    }


def test_what_a_nim_resolved_is_read_from_its_event_and_the_metrics_win():
    event = json.loads(real("nv-benchmark/v_args.json"))["n_resolved_config"]
    forms = (
        json.dumps(event),
        "INFO 09-23 16:00:00 [actions.py:1] " + json.dumps(event),
        json.dumps(event, indent=2).replace("\n", "\n1.5 engine "),
        json.dumps(dict(reversed(event.items())), indent=2),  # its name comes last
    )
    for log in forms:
        assert resolved_config(log) == event["config"]
    facts = NIM.effective_config({"log": json.dumps(event, indent=2)})
    assert (facts["gpu_memory_utilization"], facts["max_model_len"]) == (0.92, 8192)
    metrics = real("nv-benchmark/metrics_at_ready.txt")
    facts = NIM.effective_config({"log": json.dumps(event, indent=2), "/v1/metrics": metrics})
    assert (facts["gpu_memory_utilization"], facts["max_model_len"]) == (0.8593560000536694, 8192)


def test_documents_of_the_server_are_read():
    documents = {
        "/v1/version": '{"release": "1.8.4", "api": "1.8.4"}',
        "/v1/models": '{"data": [{"id": "meta/m", "max_model_len": 4096}]}',
        "/version": '{"version": "0.27.1"}',
    }
    facts = NIM.effective_config(documents)
    assert facts == {
        "nim_version": "1.8.4",
        "served_model": "meta/m",
        "max_model_len": 4096,
        "engine_version": "0.27.1",
    }


def test_a_broken_event_and_hostile_documents_tell_nothing():
    assert resolved_config('{"event": "nim_config_resolved", "config": ') == {}
    assert resolved_config("nim_config_resolved " * 50) == {}
    assert NIM.effective_config({"/v1/models": '{"data": "x"}', "/v1/version": "[]", "image_labels": "null"}) == {}


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (f"Could not match a profile in manifest: NIM_MODEL_PROFILE is '{ID} (x)'", FailureKind.PROFILE_INVALID),
        ("Error: Not all of the provided profiles are supported.", FailureKind.PROFILE_INVALID),
        ("Could not match a profile in manifest", FailureKind.NO_COMPATIBLE_PROFILE),
        (
            "nimlib.exceptions.ManifestDownloadError: Error downloading manifest: I/O error Permission denied "
            "(os error 13)",
            FailureKind.CACHE_PERMISSION,
        ),
        ("PermissionError: [Errno 13] Permission denied: '/opt/nim/.cache/tmp'", FailureKind.CACHE_PERMISSION),
        (
            "Download failed after 1 attempts. Last exception: Permission error: The requested operation requires "
            "permissions that the user does not have.",
            FailureKind.AUTH,
        ),
        ("ManifestDownloadError: Error downloading manifest: Authentication Error", FailureKind.AUTH),
        ("401 Client Error: Unauthorized for url: https://x", FailureKind.AUTH),
        ("Download failed after 3 attempts. Last exception: connection reset", FailureKind.DOWNLOAD),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", FailureKind.GPU_MEMORY),
        ("ValueError: 2.0 GiB KV cache is needed, which is larger than the available KV cache memory (1.0 GiB)",
         FailureKind.KV_CACHE_TOO_SMALL),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 12040)",
         FailureKind.DRIVER_TOO_OLD),
        ("OSError: [Errno 28] No space left on device", FailureKind.DISK_FULL),
    ],
)  # fmt: skip
def test_a_nims_last_words_name_the_kind_of_its_failure(log, kind):
    assert classify("nim", log, None).kind is kind

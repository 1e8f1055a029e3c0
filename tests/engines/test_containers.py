"""Starts in a container: whose entrypoint, where it listens, what the model is called."""

from __future__ import annotations

import pytest

from bench.container import ImageFacts
from bench.engines import get_engine
from bench.engines.base import Command, Site
from bench.model import Arm, Model
from bench.vocabulary import RuntimeKind, Side

MODULE = ("python3", "-m", "vllm.entrypoints.openai.api_server")


def start(name: str, *, entrypoint: tuple[str, ...] | None = None, host: bool = False, **changes) -> Command:
    """`entrypoint`: of an image that is known; None = not yet."""
    engine = get_engine(name)
    path = changes.pop("model_path", "/models/m")
    arm = Arm(name="one", engine=name, side=Side.BUILD, runtime=RuntimeKind.DOCKER, **changes)
    image = ImageFacts(reference="r", id="sha256:1", entrypoint=entrypoint) if entrypoint is not None else None
    port = 18400 if host else engine.container_port
    site = Site(
        ports={"engine": port},
        scratch="/tmp",
        python="python3",
        model_path=path,
        container=True,
        image=image,
        host_network=host,
    )
    return engine.command(arm, Model(id="org/name", max_model_len=512), ("--all=1",), site)


@pytest.mark.parametrize(
    ("image", "entrypoint", "model"),
    [
        (None, None, "/models/m"),
        (("vllm", "serve"), None, "/models/m"),
        (("/usr/local/bin/vllm", "serve"), ("vllm", "serve"), "/models/m"),
        (MODULE, None, "--model=/models/m"),
        ((), ("vllm", "serve"), "/models/m"),
        (("/opt/nvidia/nvidia_entrypoint.sh",), ("vllm", "serve"), "/models/m"),
    ],
)
def test_vllm_fits_its_words_to_the_images_own_start(image, entrypoint, model):
    command = start("vllm", entrypoint=image)
    assert (command.entrypoint, command.argv[0]) == (entrypoint, model)
    rest = ("--served-model-name=org/name", "--host=0.0.0.0", "--port=8000", "--max-model-len=512", "--all=1")
    assert command.argv[1:] == rest


def test_a_model_of_the_hub_is_named_and_may_be_fetched():
    command = start("vllm", model_path=None)
    assert command.argv[0] == "org/name"
    assert "HF_HUB_OFFLINE" not in command.env
    assert start("vllm").env["HF_HUB_OFFLINE"] == "1"
    assert start("vllm", model_path=None, prepare=("fetch",)).env["HF_HUB_OFFLINE"] == "1"


def test_an_arms_command_takes_the_entrypoints_place():
    command = start("vllm", entrypoint=("vllm", "serve"), command=("wrap", "it"))
    assert (command.entrypoint, command.argv[0]) == (("wrap", "it"), "--model=/models/m")
    assert start("vllm", entrypoint=MODULE, command=("nice", "vllm", "serve")).argv[0] == "/models/m"


def test_sglang_is_started_by_its_module_whatever_the_image_does():
    command = start("sglang", entrypoint=("/opt/nvidia/nvidia_entrypoint.sh",))
    assert command.entrypoint == ("python3", "-m", "sglang.launch_server")
    assert command.argv == (
        "--model-path=/models/m",
        "--served-model-name=org/name",
        "--host=0.0.0.0",
        "--port=30000",
        "--enable-metrics",
        "--context-length=512",
        "--all=1",
    )


def test_llamacpp_is_started_by_its_image():
    command = start("llamacpp", entrypoint=("python3", "-P", "/opt/engine/llamacpp_server.py"))
    assert command.entrypoint is None
    assert command.argv == (
        "--model=/models/m",
        "--alias=org/name",
        "--host=0.0.0.0",
        "--port=8080",
        "--max-model-len=512",
        "--all=1",
    )


@pytest.mark.parametrize("name", ["vllm", "sglang", "llamacpp"])
def test_with_the_hosts_network_nobody_else_can_reach_it(name):
    command = start(name, host=True)
    assert "--port=18400" in command.argv
    assert "--host=0.0.0.0" not in command.argv

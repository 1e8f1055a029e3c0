"""The images that come with the suite: their locks agree with the project's, and llama.cpp's serves."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.container import Build
from bench.images.build import build_image
from bench.images.context import named_files
from bench.images.made import ensure_made
from bench.images.pip_check import pip_check_spec, with_pip_check
from bench.model import Model
from bench.runtimes.models import resolve_model
from bench.wire.request import get_once
from tests.dockerside import requires_docker

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "scenarios" / "_images"
FOLDERS = sorted(path.parent for path in IMAGES.glob("*/Dockerfile"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_folder_of_ours_builds_on_any_base_with_the_engines_own_frontend(folder: Path) -> None:
    """A `# syntax=` line would be fetched from a registry."""
    text = (folder / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE_IMAGE$", text, re.M)
    assert "syntax=" not in text
    if (folder / "context.files").exists():
        assert list(named_files(folder / "context.files")), "every line names a file that exists"


def test_llamacpps_wheel_is_the_one_of_the_projects_lock() -> None:
    lock = (IMAGES / "llamacpp" / "requirements.lock").read_text()
    pinned = re.search(r"^xllamacpp==.*(?:\n +--hash=.*)+", lock, re.M)
    assert pinned and pinned.group(0) in (ROOT / "requirements.lock").read_text()


@pytest.mark.slow
@requires_docker
def test_the_image_of_llamacpp_serves_as_an_ordinary_user_and_ends_at_once(
    client: Any, free_port: int, tmp_path: Path
) -> None:
    base = ensure_made("debian-bookworm", str(ROOT / "scenarios" / "demo"), client=client)
    facts, record = build_image(
        Build(context=str(IMAGES / "llamacpp"), wheelhouse=str(IMAGES / "llamacpp" / "requirements.lock")),
        tag=f"nimbench-tests/llamacpp:{secrets.token_hex(6)}", base=base, arm="custom", client=client,
        log_path=tmp_path / "build.log", no_cache=False,
    )  # fmt: skip
    try:
        assert record.cached_s is not None and record.wheelhouse_files == 1
        spec = pip_check_spec(facts)
        said = client.containers.run(spec.image, entrypoint=list(spec.entrypoint or ()), remove=True).decode()
        assert with_pip_check(record, SimpleNamespace(exit_code=0, output=said)).pip_check == "ok"
        model = resolve_model(
            Model(id="t", made="tiny-llama", precision="q4_0"), str(ROOT / "scenarios" / "demo"), "gguf"
        )
        container = client.containers.run(
            facts.id,
            ["--model=/models/m.gguf", "--host=0.0.0.0", "--port=8080", "--threads=1", "--max-model-len=256"],
            detach=True, ports={"8080/tcp": ("127.0.0.1", free_port)}, volumes=[f"{model.path}:/models/m.gguf:ro"],
        )  # fmt: skip
        try:
            wait_ready(free_port, container)
            assert container.exec_run("id -u").output.strip() == b"10001"
            container.stop(timeout=60)
            assert container.wait()["StatusCode"] == 128 + 15, "a kill after the timeout would be 137"
        finally:
            container.remove(force=True)
    finally:
        client.images.remove(facts.id, force=True)


def wait_ready(port: int, container: Any) -> None:
    for _ in range(300):
        if get_once(f"http://127.0.0.1:{port}", "/health").status == 200:
            return
        container.reload()
        assert container.status == "running", container.logs().decode()
        time.sleep(0.1)
    raise AssertionError(container.logs().decode())

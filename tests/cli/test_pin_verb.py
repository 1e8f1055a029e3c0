"""`nimbench pin` against a real registry with a password."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import nimbench
from bench.errors import NimbenchError
from bench.scenario.lock import read_lock
from tests.cli.nimbench import nimbench as nimbench_process
from tests.images.tokens import bearer_registry
from tests.registry import PASSWORD, PrivateRegistry, private_registry
from tests.scenario.sample import TEXT, write

__all__ = ["private_registry"]
CONFIG = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["vllm", "serve"]}}


@pytest.fixture
def registry():
    """One in this process: what it holds can be changed from test to test."""
    with bearer_registry() as running:
        running.add_image(CONFIG, "1", layers=(1000, 24))
        yield running


@pytest.fixture
def folder(tmp_path: Path, registry) -> Path:
    arms = TEXT.replace("side: buy}", f"side: buy, image: '{registry.address}/team/app:1'}}")
    (write(tmp_path / "s", arms) / "base").mkdir()
    return tmp_path


def add_build(folder: Path, dockerfile: str) -> None:
    (folder / "s" / "base" / "Dockerfile").write_text(dockerfile)
    path = folder / "s" / "scenario.yaml"
    path.write_text(
        path.read_text().replace("  hop:", "  own: {engine: vllm, side: build, build: {context: base}}\n  hop:")
    )


def verb(folder: Path, *words: str, **environ: str) -> tuple[int, str]:
    """(exit code, all that was said) of a verb in this process: a new one costs a second each time."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(nimbench, words, env={"HOME": str(folder), "DOCKER_CONFIG": None, **environ})
    if isinstance(done.exception, NimbenchError):
        return done.exception.exit_code, f"{done.output}{done.exception}"
    return done.exit_code, done.output


def pin(folder: Path, *words: str) -> str:
    code, said = verb(folder, "pin", "./s", *words)
    assert code == 0, said
    return said


def test_pin_writes_the_digests_and_a_table(folder, registry):
    said = pin(folder)
    reference = f"{registry.address}/team/app:1"
    assert re.search(rf"{reference}\s+sha256:[0-9a-f]{{12}}\s+new", said)
    lock = read_lock(folder / "s" / "scenario.lock")
    image = lock.images[reference]
    assert (image.digest, image.entrypoint, image.anonymous) == (
        next(iter(registry.manifests)),
        ["vllm", "serve"],
        True,
    )
    assert image.wire_bytes == 1024 + len(json.dumps(CONFIG))
    assert image.source == f"http://{registry.address}/v2/team/app/manifests/1"
    assert image.used_by == ["arms.plain.image"]
    code, planned = verb(folder, "plan", "./s", "--json")
    assert code == 0
    assert f"{reference}@{image.digest}" in planned


def test_tag_that_moved_is_told(folder, registry):
    pin(folder)
    assert "as before" in pin(folder)
    registry.add_image({**CONFIG, "created": "2026-01-01T00:00:00Z"}, "1")
    assert "was sha256:" in pin(folder)


def test_json_is_the_lock_and_nothing_else(folder, registry):
    document = json.loads(pin(folder, "--json"))
    assert document["scenario"] == "s"
    assert document["lock"].endswith("scenario.lock")
    assert list(document["images"]) == [f"{registry.address}/team/app:1"]


def test_every_image_that_cannot_be_had_is_named_and_the_old_lock_stays(folder, registry):
    pin(folder)
    before = (folder / "s" / "scenario.lock").read_bytes()
    add_build(folder, "ARG BASE_IMAGE=127.0.0.1:9/no/base:1\nFROM ${BASE_IMAGE}\n")
    code, said = verb(folder, "pin", "./s", "--set", f"arms.plain.image={registry.address}/team/app:none")
    assert code == 2
    assert "2 of 2 images" in said
    assert "team/app:none" in said
    assert "127.0.0.1:9/no/base:1" in said
    assert (folder / "s" / "scenario.lock").read_bytes() == before
    assert sorted(path.name for path in (folder / "s").iterdir() if path.suffix == ".lock") == ["scenario.lock"]


def test_broken_lock_is_written_anew(folder):
    (folder / "s" / "scenario.lock").write_text("lock_schema: [")
    assert verb(folder, "plan", "./s")[0] == 2
    pin(folder)
    assert verb(folder, "plan", "./s")[0] == 0


def test_scenario_without_images_has_nothing_to_pin(tmp_path):
    write(tmp_path / "s")
    assert "nothing to pin" in pin(tmp_path)
    assert not (tmp_path / "s" / "scenario.lock").exists()


def test_no_secret_reaches_the_terminal(tmp_path, private_registry: PrivateRegistry):
    text = TEXT.replace("side: buy}", f"side: buy, image: '{private_registry.address}/team/none:1'}}")
    write(tmp_path / "s", text)
    done = nimbench_process("pin", "./s", cwd=tmp_path, NGC_API_KEY="nvapi-canary-0c1f", **private_registry.environ)
    assert done.returncode == 2
    assert "404" in done.stderr
    assert "Traceback" not in done.stderr
    for secret in (PASSWORD, "nvapi-canary-0c1f"):
        assert secret not in done.stdout + done.stderr

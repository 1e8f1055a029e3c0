"""The suite's own registry is a real one, forgets all when it is wiped, and leaves nothing, whoever is killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import ArmError, PrerequisiteError
from bench.images.own_registry import PROGRAMS, OwnRegistry, registries_folder

LAYER = b"a layer" * 1000
HOLDER = """
import json, time
from bench.images.own_registry import OwnRegistry
with OwnRegistry() as registry:
    pids = [registry._child.pid, registry._child.hello["pid"]]
    print(json.dumps({"pids": pids, "folder": registry._child.hello["folder"]}), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path))


@pytest.fixture
def program() -> None:
    if not any(shutil.which(name) for name in PROGRAMS):
        needed = os.environ.get("NIMBENCH_REQUIRE_DOCKER", "0") not in ("", "0")
        (pytest.fail if needed else pytest.skip)("needs docker-registry: apt-get install docker-registry")


def ask(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, str]:
    """(status, Location)."""
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/octet-stream"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Location") or ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""


def push(registry: OwnRegistry, blob: bytes) -> str:
    """The address of the blob, which the registry has checked against its digest."""
    home, digest = f"http://{registry.address}", "sha256:" + hashlib.sha256(blob).hexdigest()
    status, place = ask(f"{home}/v2/nimbench/x/blobs/uploads/", "POST", b"")
    assert status == 202
    status, _ = ask(f"{home}{place}&digest={digest}", "PUT", blob)
    assert status == 201
    return f"{home}/v2/nimbench/x/blobs/{digest}"


def wait_until(fact: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + 10
    while not fact() and time.monotonic() < until_s:
        time.sleep(0.02)
    return fact()


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_keeps_what_is_pushed_until_it_is_wiped_and_takes_the_same_again(program: None) -> None:
    with OwnRegistry() as registry:
        for _ in range(2):
            blob = push(registry, LAYER)
            assert ask(blob)[0] == 200
            assert registry.bytes_on_disk >= len(LAYER)
            registry.wipe()
            assert ask(blob)[0] == 404
            assert registry.bytes_on_disk == 0
        assert ask(f"http://{registry.address}/v2/")[0] == 200


def test_its_folder_is_gone_afterwards_and_the_users_registry_variables_change_nothing(
    program: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}")
    with OwnRegistry() as registry:
        assert ask(push(registry, LAYER))[0] == 200
        assert registry.address.startswith("127.0.0.1:")
        assert len(list(registries_folder().glob("run-*"))) == 1
    assert not list(registries_folder().glob("run-*"))


def test_two_at_once_know_nothing_of_each_other(program: None) -> None:
    with OwnRegistry() as one, OwnRegistry() as other:
        path = push(one, LAYER).removeprefix(f"http://{one.address}")
        assert ask(f"http://{other.address}{path}")[0] == 404
        other.wipe()
        assert ask(f"http://{one.address}{path}")[0] == 200


@pytest.mark.parametrize("killed", ["parent", "keeper"])
def test_a_kill_ends_the_registry_and_no_folder_stays_beyond_the_next_start(program: None, killed: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        said = json.loads(holder.stdout.readline())
        keeper, registry = said["pids"]
        os.kill(holder.pid if killed == "parent" else keeper, signal.SIGKILL)
        assert wait_until(lambda: is_dead(registry) and is_dead(keeper))
        if killed == "parent":
            assert wait_until(lambda: not Path(said["folder"]).exists())
        with OwnRegistry():
            assert not Path(said["folder"]).exists()
    finally:
        holder.kill()
        holder.communicate()


def test_a_registry_that_died_is_told_when_it_is_next_needed(program: None) -> None:
    with OwnRegistry() as registry:
        assert registry._child is not None
        os.kill(registry._child.hello["pid"], signal.SIGKILL)
        assert wait_until(lambda: registry._child is not None and not registry._child.lives)
        with pytest.raises(ArmError, match="registry is not running"):
            registry.wipe()


def test_a_host_without_the_program_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PrerequisiteError, match="apt-get install docker-registry"), OwnRegistry():
        pass


def test_a_program_that_is_no_registry_is_a_missing_prerequisite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "docker-registry"
    fake.write_text("#!/bin/sh\necho this is no registry\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PrerequisiteError, match="this is no registry"), OwnRegistry():
        pass
    assert not list(registries_folder().glob("run-*"))

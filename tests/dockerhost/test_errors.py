from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import docker.errors
import pytest
import requests

from bench.dockerhost.creator import creator, creator_lives
from bench.dockerhost.errors import docker_errors
from bench.errors import ArmError
from bench.vocabulary import FailureKind

# What engines 20.10 to 29, runc and NVIDIA's toolkit say; the first four were seen on an engine 20.10.24.
SAYINGS = [
    ('exec: "nope": executable file not found in $PATH: unknown', FailureKind.ENTRYPOINT_MISSING),
    ('exec: "/nope": stat /nope: no such file or directory: unknown', FailureKind.ENTRYPOINT_MISSING),
    ('exec: "/etc/passwd": permission denied: unknown', FailureKind.ENTRYPOINT_MISSING),
    ('could not select device driver "" with capabilities: [[gpu]]', FailureKind.GPU_MISSING),
    ("nvidia-container-cli: device error: GPU-0: unknown device: unknown", FailureKind.GPU_MISSING),
    (
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update your driver to a "
        "newer version, or use an earlier cuda container: unknown",
        FailureKind.DRIVER_TOO_OLD,
    ),
    ("Bind for 127.0.0.1:8000 failed: port is already allocated", FailureKind.PORT_TAKEN),
    ("listen tcp4 127.0.0.1:8000: bind: address already in use", FailureKind.PORT_TAKEN),
    ("mkdir /var/lib/docker/overlay2/ab/merged: no space left on device", FailureKind.DISK_FULL),
    ("No such image: nimbench/none:1", FailureKind.IMAGE_NOT_FOUND),
    ("something that nobody has ever said", FailureKind.CRASHED),
]


@pytest.mark.parametrize(("said", "kind"), SAYINGS)
def test_the_engines_words_name_the_failure(said, kind):
    response = SimpleNamespace(status_code=500, reason="Internal Server Error", url="http+docker://localhost/x")
    with pytest.raises(ArmError) as caught, docker_errors("start its container", "custom", command="docker run x"):
        raise docker.errors.APIError("500", response=response, explanation=said)
    assert caught.value.kind is kind
    assert said in str(caught.value)
    assert "arm 'custom': could not start its container" in str(caught.value)
    assert "docker run x" in str(caught.value)
    assert caught.value.repair


@pytest.mark.parametrize(
    "error", [requests.exceptions.ConnectionError("refused"), ConnectionResetError("reset"), TimeoutError("late")]
)
def test_silence_is_told_apart_from_a_refusal(error):
    with pytest.raises(ArmError) as caught, docker_errors("ask", None):
        raise error
    assert caught.value.kind is FailureKind.ENGINE_GONE


def test_no_secret_of_ours_comes_back_in_an_error(monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "canary-4711-0815")
    with pytest.raises(ArmError) as caught, docker_errors("ask", None):
        raise docker.errors.APIError("invalid reference canary-4711-0815")
    assert "canary" not in str(caught.value)


def test_our_own_errors_pass_untouched():
    with pytest.raises(ArmError) as caught, docker_errors("ask", None):
        raise ArmError(FailureKind.TIMEOUT, "late", repair="wait")
    assert caught.value.kind is FailureKind.TIMEOUT


def test_a_creator_lives_as_long_as_its_very_process():
    code = "from bench.dockerhost.creator import creator; print(creator(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        label = child.stdout.readline().decode().strip()
        assert creator_lives(label)
        child.kill()
    assert not creator_lives(label)
    assert creator_lives(creator())
    assert not creator_lives(f"{os.getpid()} 1"), "the number belongs to another process by now"
    assert not creator_lives(None)
    assert not creator_lives("somebody")

"""A real registry on the loopback that wants a password, as nvcr.io does; gone after the test."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

USER = "$oauthtoken"  # the literal user name that NVIDIA's registry wants
PASSWORD = "canary-registry-pass-71f3"
START_S = 20

CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:0}}
"""
AUTH = "auth: {{htpasswd: {{realm: nimbench-tests, path: {path}}}}}\n"


@dataclass(frozen=True, kw_only=True)
class PrivateRegistry:
    """Where it listens, and how to get in."""

    address: str  # 127.0.0.1:PORT: Docker takes a loopback registry without TLS
    user: str = USER
    password: str = field(default=PASSWORD, repr=False)
    docker_config: Path  # a folder for DOCKER_CONFIG that knows the login
    no_login: Path  # a folder for DOCKER_CONFIG that knows none

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to be logged in."""
        return {"DOCKER_CONFIG": str(self.docker_config)}

    @property
    def auth_config(self) -> dict[str, str]:
        """For Docker's SDK."""
        return {"username": self.user, "password": self.password}


@contextmanager
def registry_running(folder: Path, *, password: str | None = PASSWORD) -> Iterator[PrivateRegistry]:
    """A registry that keeps its images in `folder`; None = no password wanted."""
    program = shutil.which("docker-registry")
    if program is None or shutil.which("perl") is None:
        needed = os.environ.get("NIMBENCH_REQUIRE_DOCKER") == "1"
        (pytest.fail if needed else pytest.skip)("needs docker-registry and perl: apt-get install docker-registry perl")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "registry.yml"
    text = CONFIG.format(root=folder / "images")
    if password is not None:
        (folder / "htpasswd").write_text(f"{USER}:{bcrypt(password)}\n")
        text += AUTH.format(path=folder / "htpasswd")
    config.write_text(text)
    log = folder / "registry.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "serve", str(config)], stdout=out, stderr=subprocess.STDOUT)
    try:
        address = _address(process, log)
        yield PrivateRegistry(
            address=address,
            password=password or "",
            docker_config=_docker_config(folder / "logged-in", address, password),
            no_login=_docker_config(folder / "no-login", address, None),
        )
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    """One for the tests of a module; import this name to use it."""
    with registry_running(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    """One that wants no password."""
    with registry_running(tmp_path_factory.mktemp("open-registry"), password=None) as registry:
        yield registry


def bcrypt(password: str) -> str:
    """A line of htpasswd without Apache's tools: the C library's own crypt, called from perl."""
    salt = base64.b64encode(os.urandom(16)).decode().replace("+", ".").rstrip("=")[:21] + "u"
    script = f"$p = <STDIN>; print crypt($p, q($2y$05${salt}))"
    done = subprocess.run(["perl", "-e", script], input=password, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("$2y$"), "this C library's crypt knows no bcrypt"
    return done.stdout


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """It says itself on which free port it listens."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"docker-registry did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _docker_config(folder: Path, address: str, password: str | None) -> Path:
    folder.mkdir()
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    auths = {} if password is None else {address: {"auth": token}}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))
    return folder

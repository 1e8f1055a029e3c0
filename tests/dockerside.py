"""What tests of containers share: a real Docker Engine, images of a few kilobytes made here, and nothing left behind.

A plugin (tests/conftest.py names it), so its fixtures are there without an import:

    @requires_docker                  skips, visibly, where no engine answers; FAILS when $NIMBENCH_REQUIRE_DOCKER=1
    client                            docker.DockerClient of that engine
    tiny_image                        id of an image of BusyBox alone: sh httpd nc sleep cat dd sha256sum id …
    make_image("CMD [...]", …)        the same with instructions of a Dockerfile on top: id of a new image
    run_id                            a label value; containers, volumes and networks that carry it go after the test
    free_port                         a port of 127.0.0.1 that nobody holds
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.dockerhost.labels import RUN
from bench.errors import PrerequisiteError

requires_docker = pytest.mark.usefixtures("docker_engine")
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n"
GROUP = "root:x:0:\nworker:x:1000:\n"
FOLDERS = (  # path, mode, owner
    ("bin", 0o755, 0),
    ("etc", 0o755, 0),
    ("root", 0o700, 0),
    ("tmp", 0o1777, 0),
    ("home", 0o755, 0),
    ("home/worker", 0o755, 1000),
)


def absent(what: str) -> None:
    """Skip, or fail where a Docker Engine was promised."""
    if os.environ.get("NIMBENCH_REQUIRE_DOCKER", "0") not in ("", "0"):
        pytest.fail(f"{what}, and NIMBENCH_REQUIRE_DOCKER is set")
    pytest.skip(what)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Any]:
    """Whatever engine bench itself would use."""
    from bench.dockerhost.client import connect

    try:
        client = connect(timeout_s=60)
    except PrerequisiteError as error:
        absent(str(error).replace("\n", ";"))
    yield client
    client.close()


@pytest.fixture
def client(docker_engine: Any) -> Any:
    return docker_engine


@pytest.fixture(scope="session")
def busybox_tar() -> bytes:
    """A root file system: BusyBox, linked to under all its names, two users, /tmp and a folder of user 1000."""
    program = next((path for path in BUSYBOX if Path(path).exists()), None) or shutil.which("busybox")
    if program is None or b"statically linked" not in file_kind(program):
        absent("no static BusyBox is here (apt-get install busybox-static)")
    names = subprocess.run([str(program), "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode, owner in FOLDERS:
            tar.addfile(entry(folder, tarfile.DIRTYPE, mode=mode, owner=owner))
        add_file(tar, "bin/busybox", Path(str(program)).read_bytes(), 0o755)
        for name in sorted(set(names) - {"busybox"}):
            link = entry(f"bin/{name}", tarfile.SYMTYPE)
            link.linkname = "busybox"
            tar.addfile(link)
        add_file(tar, "etc/passwd", PASSWD.encode(), 0o644)
        add_file(tar, "etc/group", GROUP.encode(), 0o644)
    return buffer.getvalue()


def file_kind(program: str) -> bytes:
    """b"statically linked" where an ELF file names no interpreter (program header PT_INTERP)."""
    head = Path(program).read_bytes()
    return b"" if b"/ld-linux" in head[:4096] or b"/ld-musl" in head[:4096] else b"statically linked"


def entry(name: str, kind: bytes, *, mode: int = 0o755, owner: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = kind, mode, owner, owner
    return info


def add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    info = entry(name, tarfile.REGTYPE, mode=mode)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="session")
def make_image(docker_engine: Any, busybox_tar: bytes) -> Iterator[Callable[..., str]]:
    """A function from Dockerfile instructions (ENV ENTRYPOINT CMD USER LABEL WORKDIR …) to the id of a new image."""
    made: dict[tuple[str, ...], str] = {}

    def make(*changes: str) -> str:
        if changes not in made:
            tag = f"{os.getpid()}-{secrets.token_hex(4)}"
            said = docker_engine.api.import_image_from_data(
                busybox_tar, repository="nimbench-tests/tiny", tag=tag, changes=list(changes) or None
            )
            last = json.loads(said.strip().splitlines()[-1])
            assert "error" not in last, said
            made[changes] = docker_engine.images.get(f"nimbench-tests/tiny:{tag}").id
        return made[changes]

    yield make
    for image in made.values():
        docker_engine.images.remove(image, force=True)


@pytest.fixture(scope="session")
def tiny_image(make_image: Callable[..., str]) -> str:
    return make_image()


@pytest.fixture
def run_id(docker_engine: Any) -> Iterator[str]:
    """As bench labels what it creates: whatever carries this id goes after the test."""
    run = f"test-{secrets.token_hex(6)}"
    yield run
    filters = {"label": f"{RUN}={run}"}
    for container in docker_engine.containers.list(all=True, filters=filters, ignore_removed=True):
        container.remove(force=True, v=True)
    for volume in docker_engine.volumes.list(filters=filters):
        volume.remove(force=True)
    for network in docker_engine.networks.list(filters=filters):
        network.remove()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A container as the `docker run` line that a user can paste. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from bench.container import Container, ContainerSpec, Mount
from bench.secrets import Redactor
from bench.vocabulary import Network

LOOPBACK = "127.0.0.1"


def docker_run_line(spec: ContainerSpec, redactor: Redactor) -> str:
    """One line; values of secrets never stand in it, `-e NAME` takes them from the shell."""
    return redactor.text(shlex.join(("docker", "run", "--rm", *_options(spec, redactor), *_command(spec))))


def _options(spec: ContainerSpec, redactor: Redactor) -> Iterator[str]:
    settings = spec.settings
    if spec.name:
        yield f"--name={spec.name}"
    if spec.gpus:
        yield f'--gpus="device={",".join(spec.gpus)}"'  # the inner quotes are Docker's: a comma would end the value
    if spec.cpuset:
        yield f"--cpuset-cpus={spec.cpuset}"
    if settings.network is Network.HOST:
        yield "--network=host"
    elif spec.port and spec.host_port:
        yield f"--publish={LOOPBACK}:{spec.host_port}:{spec.port}"
    yield from _settings(settings)
    yield from (f"--mount={mount_option(mount)}" for mount in spec.mounts)
    yield from (f"--label={name}={value}" for name, value in sorted(spec.labels.items()))
    yield from (f"--env={name}={value}" for name, value in sorted(redactor.env(spec.env).items()))
    yield from (f"--env={name}" for name in spec.secrets)


def _settings(settings: Container) -> Iterator[str]:
    if settings.shm_bytes:
        yield f"--shm-size={settings.shm_bytes}"
    if settings.ipc:
        yield f"--ipc={settings.ipc}"
    yield from (f"--ulimit={name}={limit}:{limit}" for name, limit in sorted(settings.ulimits.items()))
    if settings.user:
        yield f"--user={settings.user}"
    if settings.read_only:
        yield "--read-only"
    if settings.memory_bytes:
        yield f"--memory={settings.memory_bytes}"
        yield f"--memory-swap={settings.memory_bytes}"  # Docker would else allow as much again of swap


def _command(spec: ContainerSpec) -> Iterator[str]:
    """Docker takes one word as entrypoint; the rest of ours comes before the arguments."""
    entrypoint = spec.entrypoint or ()
    yield from (f"--entrypoint={word}" for word in entrypoint[:1])
    yield spec.image
    yield from (*entrypoint[1:], *spec.argv)


def mount_option(mount: Mount) -> str:
    """The value of --mount."""
    kind, source = ("volume", mount.volume) if mount.volume else ("bind", mount.path)
    return f"type={kind},source={source},target={mount.target}" + (",readonly" if mount.read_only else "")

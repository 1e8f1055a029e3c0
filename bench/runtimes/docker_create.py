"""Creates a container from its spec, as the `docker run` line of it would."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types

from bench.container import Container, ContainerSpec, Mount
from bench.dockerhost.creator import creator
from bench.dockerhost.errors import DOCKER_FAULTS
from bench.dockerhost.labels import PID
from bench.errors import PrerequisiteError
from bench.secrets import Redactor
from bench.vocabulary import Network

LOOPBACK = "127.0.0.1"
# Named, because on a host whose default is journald, syslog or none the log could not be read back in time or at all.
LOG_CONFIG = {"type": "json-file", "config": {"max-size": "256m", "max-file": "2"}}


def create_container(client: docker.DockerClient, spec: ContainerSpec) -> str:
    """The id of a created container, not started."""
    for mount in spec.mounts:
        if mount.volume:
            ensure_volume(client, mount.volume, spec.labels)
        elif mount.path and not Path(mount.path).exists():
            raise PrerequisiteError("a folder that the container mounts is not there", where=mount.path)
    name = spec.name or f"nimbench-{secrets.token_hex(8)}"
    try:
        made = client.api.create_container(
            spec.image,
            command=list(spec.argv) or None,
            entrypoint=list(spec.entrypoint) if spec.entrypoint is not None else None,
            environment={**spec.env, **secret_env(spec)},
            user=spec.settings.user,
            labels={**spec.labels, PID: creator()},
            name=name,
            ports=[spec.port] if is_published(spec) else None,
            host_config=client.api.create_host_config(**host_options(spec)),
        )
    except docker.errors.APIError:
        raise  # the engine has made none
    except BaseException:
        # an interrupt between the engine's making it and our learning its id: the name is all that we know of it
        with contextlib.suppress(*DOCKER_FAULTS):
            client.api.remove_container(name, force=True, v=True)
        raise
    return str(made["Id"])


def secret_env(spec: ContainerSpec) -> dict[str, str]:
    """The secrets that the spec names, read only here; one that is not set is not passed on."""
    return {name: os.environ[name] for name in spec.secrets if name in os.environ}


def redactor_of(spec: ContainerSpec, arm_env: Mapping[str, str] | None = None) -> Redactor:
    """Knows every secret that the container can print, also one whose name does not say that it is one."""
    named = {f"{name}_SECRET": value for name, value in secret_env(spec).items()}
    return Redactor.knowing(spec.env, arm_env or {}, named)


def ensure_volume(client: docker.DockerClient, name: str, labels: Mapping[str, str]) -> None:
    """Made with our labels where it is not there; kept after the run, since weights and caches are what it is for."""
    try:
        client.api.inspect_volume(name)
    except docker.errors.NotFound:
        client.api.create_volume(name, labels=dict(labels))


def is_published(spec: ContainerSpec) -> bool:
    """Whether Docker forwards a port of this host; a step that serves nothing has none."""
    return bool(spec.port and spec.host_port) and spec.settings.network is Network.PUBLISHED_LOOPBACK


def host_options(spec: ContainerSpec) -> dict[str, Any]:
    """Arguments of create_host_config: no privileges, no restart, nothing but what the spec says."""
    options: dict[str, Any] = {
        "mounts": [_mount(mount) for mount in spec.mounts],
        "cpuset_cpus": spec.cpuset,
        "log_config": LOG_CONFIG,
        **_settings(spec.settings),
    }
    if spec.settings.network is Network.HOST:
        options["network_mode"] = "host"
    elif is_published(spec):
        options["port_bindings"] = {spec.port: (LOOPBACK, spec.host_port)}
    if spec.gpus:
        # without a driver's name, as `--gpus` does: the engine takes the one that offers GPUs, NVIDIA's hook or CDI
        gpu_request = docker.types.DeviceRequest(device_ids=list(spec.gpus), capabilities=[["gpu"]])
        options["device_requests"] = [gpu_request]
    return {name: value for name, value in options.items() if value is not None}


def _settings(settings: Container) -> dict[str, Any]:
    limit = settings.memory_bytes
    return {
        "shm_size": settings.shm_bytes,
        "ipc_mode": str(settings.ipc) if settings.ipc else None,
        "ulimits": [docker.types.Ulimit(name=n, soft=v, hard=v) for n, v in sorted(settings.ulimits.items())],
        "read_only": settings.read_only,
        "mem_limit": limit,
        "memswap_limit": limit,  # no swap beside it: a server that swaps would be measured, not killed
    }


def _mount(mount: Mount) -> docker.types.Mount:
    kind, source = ("volume", mount.volume) if mount.volume else ("bind", mount.path)
    return docker.types.Mount(target=mount.target, source=source, type=kind, read_only=mount.read_only)

"""Creates a container from its spec, exactly as the `docker run` line of it would."""

from __future__ import annotations

import os
from typing import Any

import docker
import docker.errors
import docker.types

from bench.container import ContainerSpec, Mount
from bench.dockerhost.creator import creator
from bench.dockerhost.labels import PID, RUN, SCENARIO
from bench.vocabulary import Network

LOOPBACK = "127.0.0.1"


def create_container(client: docker.DockerClient, spec: ContainerSpec) -> str:
    """The id of a created container, not started. Secrets are read from this process's environment by name."""
    for mount in spec.mounts:
        if mount.volume:
            _ensure_volume(client, mount.volume, spec)
    published = spec.port is not None and spec.host_port and spec.settings.network is Network.PUBLISHED_LOOPBACK
    secrets = {name: os.environ[name] for name in spec.secrets if name in os.environ}
    made = client.api.create_container(
        spec.image,
        command=list(spec.argv) or None,
        entrypoint=list(spec.entrypoint) if spec.entrypoint is not None else None,
        environment={**spec.env, **secrets},
        user=spec.settings.user,
        labels={**spec.labels, PID: creator()},
        name=spec.name,
        ports=[spec.port] if published else None,
        host_config=_host_config(client, spec, published=bool(published)),
    )
    return str(made["Id"])


def _ensure_volume(client: docker.DockerClient, name: str, spec: ContainerSpec) -> None:
    """Named volumes are kept after the run: weights and caches are what they are for."""
    try:
        client.api.inspect_volume(name)
    except docker.errors.NotFound:
        labels = {key: value for key, value in spec.labels.items() if key in (RUN, SCENARIO)}
        client.api.create_volume(name, labels=labels)


def _host_config(client: docker.DockerClient, spec: ContainerSpec, *, published: bool) -> Any:
    settings = spec.settings
    options: dict[str, Any] = {
        "mounts": [_mount(mount) for mount in spec.mounts],
        "shm_size": settings.shm_bytes,
        "ipc_mode": str(settings.ipc) if settings.ipc else None,
        "ulimits": [docker.types.Ulimit(name=n, soft=v, hard=v) for n, v in sorted(settings.ulimits.items())],
        "read_only": settings.read_only,
        "cpuset_cpus": spec.cpuset,
        "restart_policy": None,  # a server that comes back by itself hides that it died
    }
    if settings.memory_bytes:
        options |= {"mem_limit": settings.memory_bytes, "memswap_limit": settings.memory_bytes}  # no swap beside it
    if settings.network is Network.HOST:
        options["network_mode"] = "host"
    elif published:
        options["port_bindings"] = {spec.port: (LOOPBACK, spec.host_port)}
    if spec.gpus:
        options["device_requests"] = [
            docker.types.DeviceRequest(device_ids=list(spec.gpus), capabilities=[["gpu"]], driver="nvidia")
        ]
    return client.api.create_host_config(**{name: value for name, value in options.items() if value is not None})


def _mount(mount: Mount) -> docker.types.Mount:
    kind, source = ("volume", mount.volume) if mount.volume else ("bind", mount.path)
    return docker.types.Mount(target=mount.target, source=source, type=kind, read_only=mount.read_only)

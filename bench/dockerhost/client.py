"""The container engine of this host: found, asked who it is, and refused with the reason where it cannot measure."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
from docker.context import ContextAPI
from docker.context.config import get_current_context_name

from bench.dockerhost.errors import docker_errors, said_by
from bench.errors import PrerequisiteError

LEAST_API = (1, 41)  # Docker 20.10
TIMEOUT_S = 300  # creating a container may first have to look through gigabytes on a cold disk
DEFAULT_SOCKET = "/var/run/docker.sock"
START_REPAIR = "Start it (`systemctl start docker`), or install Docker Engine 20.10 or newer."


def connect(environ: Mapping[str, str] = os.environ, *, timeout_s: int = TIMEOUT_S) -> Any:
    """A docker.DockerClient of this host's engine; PrerequisiteError says what is in the way."""
    url = endpoint(environ)
    refuse_remote(url)
    refuse_silence(url)
    try:
        client = docker.DockerClient(base_url=url, version="auto", timeout=timeout_s)
    except (docker.errors.DockerException, OSError) as error:
        raise unreachable(url, error) from error
    try:
        refuse_unfit(client.version())
    except (docker.errors.DockerException, OSError) as error:
        client.close()
        raise unreachable(url, error) from error
    except PrerequisiteError:
        client.close()
        raise
    return client


def endpoint(environ: Mapping[str, str]) -> str:
    """As the docker program chooses: DOCKER_HOST, else DOCKER_CONTEXT, else the current context, else a socket."""
    if host := environ.get("DOCKER_HOST"):
        return host
    name = environ.get("DOCKER_CONTEXT") or get_current_context_name()
    context = ContextAPI.get_context(name)
    if context is None:
        raise PrerequisiteError(
            f"there is no Docker context {name!r}",
            where="$DOCKER_CONTEXT" if environ.get("DOCKER_CONTEXT") else "currentContext of Docker's config.json",
            repair="`docker context ls` names the contexts; `docker context use default` chooses this host's engine.",
        )
    if name != "default" and context.Host:
        return str(context.Host)
    return f"unix://{first_socket(environ)}"


def first_socket(environ: Mapping[str, str]) -> str:
    """The system's socket, else the user's own of a rootless engine or of Docker Desktop."""
    own = [f"{environ['XDG_RUNTIME_DIR']}/docker.sock"] if environ.get("XDG_RUNTIME_DIR") else []
    own.append(str(Path.home() / ".docker" / "run" / "docker.sock"))
    return next((path for path in (DEFAULT_SOCKET, *own) if Path(path).exists()), DEFAULT_SOCKET)


def refuse_remote(url: str) -> None:
    """Times, volumes, GPUs and loopback ports are those of the engine's host: it must be this one."""
    if not url.startswith(("unix://", "http+unix://")):
        raise PrerequisiteError(
            "the Docker Engine is reached over the network, so it may not run on this host",
            where="$DOCKER_HOST, or the Docker context in use",
            expected="a unix socket of this host",
            got=url,
            repair="Run nimbench on that host. This host's engine: `unset DOCKER_HOST; docker context use default`.",
        )


def refuse_silence(url: str) -> None:
    """Asked without the SDK, which wraps the reason in three others."""
    path = url.removeprefix("http+").removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path if path.startswith("/") else f"/{path}")
        except OSError as error:
            raise unreachable(url, error) from error


def refuse_unfit(version: Mapping[str, Any]) -> None:
    """Another engine behind Docker's interface, or one that is too old for what we ask of it."""
    names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    if any("podman" in name.lower() for name in names):
        raise PrerequisiteError(
            "this is Podman behind Docker's interface, which leaves out requests for GPUs without a word "
            "(before Podman 5.4) and names pull and build steps otherwise",
            expected="Docker Engine 20.10 or newer",
            got=f"{names[0]} {version.get('Version', 'of unknown version')}",
            repair="Install Docker Engine, or point DOCKER_HOST at its socket (unix:///var/run/docker.sock).",
        )
    if parsed(str(version.get("ApiVersion", "0"))) < LEAST_API:
        raise PrerequisiteError(
            "this Docker Engine is too old",
            expected="Docker Engine 20.10 (API 1.41) or newer",
            got=f"{version.get('Version')} (API {version.get('ApiVersion')})",
            repair="Update Docker Engine.",
        )


def unreachable(url: str, error: BaseException) -> PrerequisiteError:
    """Nothing listens, or we may not talk to it."""
    if isinstance(error, PermissionError):
        repair = (
            "Join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or use sudo."
        )
        return PrerequisiteError("the Docker Engine's socket may not be opened by this user", where=url, repair=repair)
    return PrerequisiteError("no Docker Engine answers", where=url, got=said_by(error), repair=START_REPAIR)


def engine_facts(client: Any) -> dict[str, Any]:
    """What the engine says of itself, for run.json."""
    with docker_errors("ask the engine about itself", None):
        version, info = client.version(), client.info()
    status = {str(row[0]): str(row[1]) for row in info.get("DriverStatus") or () if len(row) == 2}
    containerd_store = "io.containerd.snapshotter" in status.get("driver-type", "")
    return {
        "docker_version": version.get("Version"),
        "docker_api": version.get("ApiVersion"),
        "docker_storage_driver": info.get("Driver"),
        "docker_containerd_store": containerd_store,
        "docker_root": info.get("DockerRootDir"),
        "docker_cgroup": f"v{info.get('CgroupVersion') or '1'} {info.get('CgroupDriver') or ''}".strip(),
        "docker_rootless": any("rootless" in option for option in info.get("SecurityOptions") or ()),
        "docker_runtimes": sorted(info.get("Runtimes") or {}),
        "docker_platform": f"{version.get('Os')}/{version.get('Arch')}",
    }


def parsed(version: str) -> tuple[int, ...]:
    """The numbers of "1.41"."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())

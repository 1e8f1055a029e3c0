"""Names of images: taken apart as Docker does it, and put together again. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from bench.errors import InputError

DOCKER_HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"  # where Docker Hub answers the registry's API
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", HUB_HOST})

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_PORT = 65_535
_LONGEST = 255  # of a repository's name, by Docker's rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image in one registry. Without tag and digest the tag `latest` is meant."""

    registry: str  # "docker.io" for Docker Hub, else host[:port]
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def host(self) -> str:
        """Who answers for the registry."""
        return HUB_HOST if self.registry == DOCKER_HUB else self.registry

    @property
    def name(self) -> str:
        """Without tag and digest, as Docker's commands take it."""
        return f"{self.registry}/{self.repository}"

    @property
    def wanted(self) -> str:
        """What names the manifest: the digest where there is one, as Docker does."""
        return self.digest or self.tag or "latest"

    @property
    def exact(self) -> str:
        """The name by which an engine finds it: name@digest, or name:tag."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag or 'latest'}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """`nginx`, `nvcr.io/nim/meta/x:2.0.12`, `localhost:5000/a/b@sha256:…`."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(text, "name@sha256: and 64 hex digits", digest)
    registry, rest = _split_registry(rest)
    repository, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _wrong(text, "a tag of letters, digits, -, _ and .", tag)
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST or not _HOST.fullmatch(registry):
        raise _wrong(text, "[registry/]name[:tag][@digest], the name in small letters", text)
    port = registry.rpartition(":")[2]
    if port.isdigit() and registry != port and not 1 <= int(port) <= MOST_PORT:
        raise InputError(
            f"no registry can listen on port {port}",
            where=text,
            expected=f"a port from 1 to {MOST_PORT}",
            got=port,
            repair="check the registry's address",
        )
    return Reference(registry=registry, repository=repository, tag=tag or None, digest=digest or None)


def is_loopback(host: str) -> bool:
    """Whether a registry is on this host: only there is plain HTTP taken, as Docker does."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _split_registry(text: str) -> tuple[str, str]:
    """The first part is a registry when it looks like a host, by Docker's rule."""
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    if not is_host:
        return DOCKER_HUB, text
    return (DOCKER_HUB if first in _HUB_NAMES else first), rest


def _wrong(text: str, expected: str, got: str) -> InputError:
    return InputError(f"{text!r} is no name of an image", expected=expected, got=got, repair="check the spelling")

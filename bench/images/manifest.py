"""Manifests and configs as registries give them: OCI and Docker's own, one platform or many. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFESTS = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def sha256_digest(body: bytes) -> str:
    """The name of these bytes in a registry."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def read_object(body: bytes, what: str) -> dict[str, Any]:
    """A JSON object; ValueError says what was not one."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError(f"{what} is not a JSON object")
    return data


def is_index(data: Mapping[str, Any], content_type: str) -> bool:
    """Whether it lists manifests of several platforms; an OCI one may leave its mediaType out."""
    kind = str(data.get("mediaType") or content_type.partition(";")[0].strip())
    if kind in INDEXES or (kind not in MANIFESTS and isinstance(data.get("manifests"), list)):
        return True
    if data.get("schemaVersion") != 2 or not isinstance(data.get("layers"), list):
        raise ValueError(f"a manifest of an unknown form ({kind[:80] or 'no media type'})")
    return False


def choose_platform(index: Mapping[str, Any], platform: str) -> str:
    """The digest of the manifest for `os/architecture[/variant]`; attestations (platform unknown) do not count."""
    os_name, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    offered = []
    for entry in index.get("manifests") or ():
        place = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(place, dict) or place.get("os") == "unknown":
            continue
        names = (place.get("os"), place.get("architecture"))
        offered.append("/".join(str(name) for name in (*names, place.get("variant")) if name))
        if names == (os_name, architecture) and variant in ("", place.get("variant")):
            return digest_of(entry)
    raise LookupError(f"no image for {platform}; there is one for {', '.join(offered) or 'no platform'}")


def digest_of(descriptor: Any) -> str:
    """A descriptor's digest."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError("a manifest names something without a sha256 digest")
    return digest


def size_of(descriptor: Any) -> int:
    """A descriptor's size in bytes."""
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError("a manifest names something without a size")
    return size


def words(value: Any) -> tuple[str, ...]:
    """ENTRYPOINT or CMD; Docker writes null for none."""
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def environment(value: Any) -> dict[str, str]:
    """`["A=1"]` as a mapping."""
    return {name: text for name, _, text in (word.partition("=") for word in words(value))}


def texts(value: Any) -> dict[str, str]:
    """Labels; null for none."""
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object under a name, empty where there is none."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def history(image: Mapping[str, Any]) -> tuple[tuple[str, str | None, bool], ...]:
    """(instruction, when, whether it made no layer) of a config, oldest first."""
    steps = image.get("history")
    return tuple(
        (
            str(step.get("created_by") or step.get("comment") or ""),
            step["created"] if isinstance(step.get("created"), str) else None,
            step.get("empty_layer") is True,
        )
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, dict)
    )

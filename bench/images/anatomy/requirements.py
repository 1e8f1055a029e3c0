"""Whether the Python packages of an image fit together: what `pip check` would say, from their metadata alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bench.images.anatomy.distributions import Distribution
from bench.images.anatomy.interpreter import Interpreter

TEXT_CHARACTERS = 2000
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Docker's word -> the kernel's


def check_requirements(found: Sequence[Distribution], interpreter: Interpreter, platform: str) -> str | None:
    """One sentence per broken requirement, "ok" where there is none; None where this Python has no packages."""
    installed = installed_for(found, interpreter)
    if not installed:
        return None
    environment = marker_environment(interpreter.version, platform)
    broken = [told for one in installed.values() for told in _broken(one, installed, environment)]
    return "; ".join(sorted(broken))[:TEXT_CHARACTERS] or "ok"


def installed_for(found: Sequence[Distribution], interpreter: Interpreter) -> dict[str, Distribution]:
    """By normal name, what this Python imports: of two of a name, the one in the earlier folder of its path."""
    installed: dict[str, Distribution] = {}
    for site in interpreter.sites:
        for one in found:
            if one.site == site:
                installed.setdefault(canonicalize_name(one.name), one)
    return installed


def marker_environment(version: str, platform: str) -> dict[str, str]:
    """What markers are held against: CPython on Linux. A patch release that nobody named counts as the first."""
    machine = platform.split("/")[1] if "/" in platform else platform
    full = version if version.count(".") >= 2 else f"{version}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": _MACHINES.get(machine, machine),
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": "linux",
        "extra": "",
    }


def _broken(one: Distribution, installed: Mapping[str, Distribution], environment: Mapping[str, str]) -> list[str]:
    """In pip's own words, so that both kinds of check read alike."""
    who, told = f"{canonicalize_name(one.name)} {one.version}", []
    for text in one.requires:
        try:
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate(dict(environment)):
                continue
            name = canonicalize_name(wanted.name)
            has = installed.get(name)
            if has is None:
                told.append(f"{who} requires {name}, which is not installed.")
            elif not wanted.specifier.contains(has.version, prereleases=True):
                told.append(f"{who} has requirement {wanted}, but you have {name} {has.version}.")
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName, ValueError):
            told.append(f"{who} has a requirement that cannot be read: {text[:100]}.")
    return told

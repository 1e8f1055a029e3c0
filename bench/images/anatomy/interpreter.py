"""Finds the Python that a command of the image gets, and the folders that it looks for packages in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.images.anatomy.distributions import Distribution, content_of
from bench.images.anatomy.entries import Ownership, Visible
from bench.images.anatomy.links import Links

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of Docker, where an image sets none
_VERSION = re.compile(r"python(\d+\.\d+)(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One Python of an image."""

    version: str  # as exactly as the image says: "3.11.2", or "3.11"
    sites: tuple[str, ...]  # in the order of its path; the first that has a package wins


def find_interpreter(
    visible: Visible, ownership: Ownership, found: Sequence[Distribution], env: Mapping[str, str]
) -> Interpreter | None:
    """The first `python3` or `python` on PATH, else the one that most packages are installed for."""
    links = Links(visible.files)
    sites = list(dict.fromkeys(one.site for one in found))
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        for name in ("python3", "python"):
            program = links.place(f"{folder}/{name}")
            if program in visible.files:
                return _of_program(program, links, visible, ownership, sites, env)
    counts = [(sum(one.site == site for one in found), site) for site in sites if _VERSION.search(site)]
    if not counts:
        return None
    site = max(counts)[1]
    match = _VERSION.search(site)
    return Interpreter(version=_exact(match[1] if match else "3", ownership, env), sites=(site,))


def _of_program(
    program: str,
    links: Links,
    visible: Visible,
    ownership: Ownership,
    sites: Sequence[str],
    env: Mapping[str, str],
) -> Interpreter:
    prefix = program.rpartition("/")[0].rpartition("/")[0]
    venv = _settings(content_of(f"{prefix}/pyvenv.cfg".lstrip("/"), visible))
    real = links.target(program) or program
    version = _short(venv) or _named(real, sites, prefix)
    extra = [links.target(folder) or "" for folder in env.get("PYTHONPATH", "").split(":") if folder.startswith("/")]
    if venv is None:
        found = _system_sites(real.rpartition("/")[0].rpartition("/")[0], version)
        exact = _exact(version, ownership, env)
    else:
        found = _venv_sites(prefix, version)
        if venv.get("include-system-site-packages", "").lower() == "true":
            home = links.target(venv.get("home", "/usr/bin")) or "usr/bin"
            found += _system_sites(home.rpartition("/")[0], version)
        exact = ".".join((venv.get("version") or venv.get("version_info") or version).split(".")[:3])
    real_sites = dict.fromkeys(links.target(site) or site for site in (*extra, *found))
    return Interpreter(version=exact, sites=tuple(real_sites))


def _settings(content: bytes | None) -> dict[str, str] | None:
    """The lines `key = value` of pyvenv.cfg; None: no virtual environment."""
    if content is None:
        return None
    lines = (line.partition("=") for line in content.decode("utf-8", errors="replace").splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def _short(venv: Mapping[str, str] | None) -> str | None:
    match = re.match(r"\d+\.\d+", (venv or {}).get("version") or (venv or {}).get("version_info") or "")
    return match[0] if match else None


def _named(program: str, sites: Sequence[str], prefix: str) -> str:
    """By the program's own name, `python3.11`, else by the folders beside it."""
    for text in (program, *(site for site in sites if site.startswith(f"{prefix}/"))):
        if match := _VERSION.search(text):
            return match[1]
    return "3"


def _venv_sites(prefix: str, version: str) -> list[str]:
    return [f"{prefix}/{lib}/python{version}/site-packages".lstrip("/") for lib in ("lib", "lib64")]


def _system_sites(prefix: str, version: str) -> list[str]:
    """Debian has its own folders: pip's below usr/local, the packages' below python3, whatever the version."""
    own = _venv_sites(prefix, version)
    if prefix not in ("usr", ""):
        return [*own, *(site.replace("site-packages", "dist-packages") for site in own)]
    local = [f"usr/local/lib/python{version}/{kind}-packages" for kind in ("dist", "site")]
    return [*local, "usr/lib/python3/dist-packages", f"usr/lib/python{version}/dist-packages", *own]


def _exact(version: str, ownership: Ownership, env: Mapping[str, str]) -> str:
    """The patch release, where a package or the variable of Docker's own Python images names it."""
    names = {"deb": f"python{version}", "conda": "python", "apk": "python3"}
    said = [has for manager, name, has in ownership.packages if names.get(manager) in (name, name + "-minimal")]
    said += [has for manager, name, has in ownership.packages if (manager, name) == ("deb", f"python{version}-minimal")]
    for text in (*said, env.get("PYTHON_VERSION", "")):
        match = re.match(r"\d+\.\d+\.\d+", text)
        if match and match[0].startswith(f"{version}."):
            return match[0]
    return version

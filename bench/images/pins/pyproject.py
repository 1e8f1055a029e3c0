"""Reads pyproject.toml: what a project depends on, how its build does, and what uv and Poetry add to it.

Where a lock lies beside it, the lock decides what is installed, and ranges here are what they should be; the packages
that build the project ([build-system]) are in no lock and count all the same. No version here can carry a hash.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from bench.anatomy import PinFinding
from bench.images.pins.pip_words import Said
from bench.images.pins.requirement import findings_about, told_once
from bench.images.pins.specifier import FULL_COMMIT, Asked, Source, is_early, read_requirement
from bench.images.pins.toml_places import Places

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_POETRY_EXACT = re.compile(r"={0,3}\s*(?P<version>\d[\w.!+-]*)")  # Poetry reads a bare version as ==
Line = tuple[int, Asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an installer takes of a project; it reads no lock."""

    depends: bool = True  # its dependencies: False with --no-deps
    builds: bool = True  # what builds it: False with --no-build-isolation, and where only its list is read
    extras: frozenset[str] = frozenset()  # "*" = all
    groups: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()  # names that a constraints file gives one exact version
    no_index: bool = False


def lint_pyproject(text: str, file: str, *, locked: bool) -> list[PinFinding]:
    """All of one file; `tomllib.TOMLDecodeError` where it is none."""
    data, places = tomllib.loads(text), Places(text)
    build = list(_strings(_at(data, "build-system", "requires"), "build-system", places))
    asked = [] if locked else [*_project(data, places), *_poetry(data, places)]
    found = [one for line, what in [*build, *asked] for one in findings_about([what], file=file, line=line)]
    return sorted(told_once([*found, *_indexes(data, places, file)]), key=lambda one: one.line)


def lint_wanted(text: str, file: str, wanted: Wanted) -> list[PinFinding]:
    """What is not pinned of that which an installer takes; ValueError where the file is none."""
    data, places = tomllib.loads(text), Places(text)
    asked = list(_strings(_at(data, "build-system", "requires"), "build-system", places)) if wanted.builds else []
    asked += _project(data, places, wanted)
    if wanted.depends and not _table(data, "project"):
        asked += _poetry(data, places, groups=False)
    said = Said(no_index=wanted.no_index)
    found = [
        one for line, what in asked for one in findings_about([what], said, file=file, line=line, pinned=wanted.pinned)
    ]
    return sorted(told_once(found), key=lambda one: one.line)


def decided_elsewhere(text: str) -> tuple[int, list[str]] | None:
    """(line, the lists that are named) where the file does not hold the dependencies itself; None where it does."""
    data, places = tomllib.loads(text), Places(text)
    project = _table(data, "project")
    if project and "dependencies" not in (_at(project, "dynamic") or ()):
        return None
    if not project and _table(data, "tool", "poetry"):
        return None
    files = _at(data, "tool", "setuptools", "dynamic", "dependencies", "file")
    files = files or _at(data, "tool", "hatch", "metadata", "hooks", "requirements_txt", "files")
    names = [files] if isinstance(files, str) else [one for one in files or () if isinstance(one, str)]
    return places.of_key("dynamic", "project"), names


def _project(data: Mapping[str, Any], places: Places, wanted: Wanted | None = None) -> Iterator[Line]:
    """PEP 621 and 735, and uv's older spelling; a source in [tool.uv.sources] takes the place of the index."""
    sources: dict[str, Any] = {
        canonicalize_name(name): value for name, value in _table(data, "tool", "uv", "sources").items()
    }
    listed: list[tuple[str, Any]] = []
    if wanted is None or wanted.depends:
        listed.append(("project", _at(data, "project", "dependencies")))
    for keys, some in ((["project", "optional-dependencies"], "extras"), (["dependency-groups"], "groups")):
        names = {"*"} if wanted is None else {canonicalize_name(name) for name in getattr(wanted, some)}
        groups = _table(data, *keys).items()
        listed += [(".".join(keys), group) for name, group in groups if names & {"*", canonicalize_name(name)}]
    if wanted is None:
        listed.append(("tool.uv", _at(data, "tool", "uv", "dev-dependencies")))
    for table, group in listed:
        for line, asked in _strings(group, table, places):
            source = sources.get(asked.name or "")
            yield line, _from_table(asked.text, source, asked) if isinstance(source, dict) else asked


def _poetry(data: Mapping[str, Any], places: Places, *, groups: bool = True) -> Iterator[Line]:
    root, names = "tool.poetry", ("dependencies", "dev-dependencies") if groups else ("dependencies",)
    tables = {f"{root}.{name}": _table(data, "tool", "poetry", name) for name in names}
    for name, group in _table(data, "tool", "poetry", "group").items() if groups else ():
        tables[f"{root}.group.{name}.dependencies"] = _table(group, "dependencies")
    for table, wanted in tables.items():
        for name, value in wanted.items():
            for one in value if isinstance(value, list) else [value]:
                if name != "python":
                    yield places.of_key(name, table), _of_poetry(name, one)


def _of_poetry(name: str, value: Any) -> Asked:
    entry = value if isinstance(value, dict) else {"version": value}
    version = str(entry.get("version", "*")).strip()
    exact = _POETRY_EXACT.fullmatch(version)
    early = bool(entry.get("allow-prereleases")) or (exact is not None and is_early(exact["version"]))
    text = f"{name} = {version}"
    asked = Asked(text=text, source=Source.INDEX, name=canonicalize_name(name), exact=bool(exact), prerelease=early)
    return _from_table(name, entry, asked)


def _from_table(text: str, entry: Mapping[str, Any], otherwise: Asked) -> Asked:
    """A repository, an address or a folder as uv and Poetry write them; `otherwise` where it is none of these."""
    name = otherwise.name
    if "git" in entry:
        exact = bool(FULL_COMMIT.fullmatch(str(entry.get("rev", ""))))
        where = f"{text} ({entry['git']}@{entry.get('rev') or entry.get('tag') or entry.get('branch') or 'HEAD'})"
        return Asked(text=where, source=Source.REPOSITORY, name=name, exact=exact)
    if "url" in entry:
        return read_requirement(f"{name} @ {entry['url']}")
    if entry.keys() & {"path", "file", "workspace"}:
        return Asked(text=text, source=Source.LOCAL, name=name, exact=True, hashed=True)
    return otherwise


def _indexes(data: Mapping[str, Any], places: Places, file: str) -> Iterator[PinFinding]:
    """Indexes of nightly builds, for whichever tool they are named."""
    said = Said()
    if _at(data, "tool", "uv", "prerelease") == "allow":
        said.prereleases = 'prerelease = "allow"'
        yield from findings_about([], said, file=file, line=places.of_key("prerelease", "tool.uv"))
    for table, found in (
        ("tool.uv.index", _at(data, "tool", "uv", "index")),
        ("tool.poetry.source", _at(data, "tool", "poetry", "source")),
    ):
        for entry in found if isinstance(found, list) else []:
            if isinstance(entry, dict) and isinstance(url := entry.get("url"), str):
                line = places.of_text(url, table)
                yield from findings_about([], Said(indexes=[url]), file=file, line=line)


def _strings(found: Any, table: str, places: Places) -> Iterator[Line]:
    """The requirements of a list; a group that includes another one names it in a table, which is skipped."""
    for text in found if isinstance(found, list) else []:
        if isinstance(text, str):
            yield places.of_text(text, table), read_requirement(text)


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _table(data: Any, *keys: str) -> Mapping[str, Any]:
    found = _at(data, *keys)
    return found if isinstance(found, Mapping) else {}

"""Reads locks of whole projects: versions are exact there, but hashes may lack, or a nightly build be locked."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from bench.anatomy import PinFinding
from bench.images.pins.lock_entries import index_of, pipfile_entry, poetry_entry, pylock_entry, uv_entry
from bench.images.pins.pip_words import Said
from bench.images.pins.requirement import findings_about, is_nightly_index, told_once
from bench.images.pins.specifier import Asked
from bench.images.pins.toml_places import Places

Located = tuple[int, Asked, str | None]  # line, package, its index


def lint_lock(text: str, name: str, file: str) -> list[PinFinding]:
    """`name` tells which kind it is; ValueError, with the reason, where it is none."""
    rows = _pipfile(text) if name == "Pipfile.lock" else _toml(text, name)
    found: list[PinFinding] = []
    for line, asked, index in rows:
        said = Said(indexes=[index] if index and is_nightly_index(index) else [])
        found += findings_about([asked], said, file=file, line=line)
    return sorted(told_once(found), key=lambda one: one.line)


def _toml(text: str, name: str) -> Iterator[Located]:
    data, places = tomllib.loads(text), Places(text)
    key = "packages" if name.startswith("pylock") else "package"
    metadata = data.get("metadata")
    old_files = metadata.get("files", {}) if isinstance(metadata, dict) else {}
    entries = data.get(key)
    if not isinstance(entries, list):
        raise ValueError(f"it has no [[{key}]], as {name} does")
    lines = places.tables(key)
    for number, entry in enumerate(entries):
        line = lines[number] if number < len(lines) else 1
        if not isinstance(entry, dict):
            raise ValueError(f"[[{key}]] {number + 1} is not a table")
        yield line, _entry(entry, name, old_files), index_of(entry)


def _entry(entry: Mapping[str, Any], name: str, old_files: Mapping[str, Any]) -> Asked:
    try:
        if name == "uv.lock":
            return uv_entry(entry)
        return pylock_entry(entry) if name.startswith("pylock") else poetry_entry(entry, old_files)
    except (AttributeError, TypeError) as error:  # a word where a table should be
        raise ValueError(f"package {entry.get('name')!r} is not as {name} has them") from error


def _pipfile(text: str) -> Iterator[Located]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it is not what pipenv writes")
    lines = text.splitlines()
    for section in ("default", "develop"):
        packages = data.get(section)
        start = _line_of(lines, section, 1)
        for name, entry in packages.items() if isinstance(packages, dict) else []:
            if isinstance(entry, dict):
                yield _line_of(lines, name, start), pipfile_entry(name, entry), None


def _line_of(lines: list[str], key: str, start: int) -> int:
    wanted = re.compile(rf'^\s*"{re.escape(key)}"\s*:')
    return next((n for n, line in enumerate(lines[start - 1 :], start=start) if wanted.match(line)), start)

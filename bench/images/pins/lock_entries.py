"""Reads one package of a lock into what a linter asks: its version, its hashes, and where it is from.

uv.lock, poetry.lock, pdm.lock, pylock.toml (PEP 751) and Pipfile.lock differ only in how they spell that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name

from bench.images.pins.specifier import FULL_COMMIT, Asked, Source, is_early, is_nightly, read_requirement

Table = Mapping[str, Any]
_OF_THE_BUILD = {"path", "directory", "editable", "virtual", "file"}


def uv_entry(entry: Table) -> Asked:
    """`source` names the place; a repository has its commit behind #."""
    source = entry.get("source") or {}
    files = [*_rows(entry.get("wheels")), *_rows([entry.get("sdist")])]
    hashed = bool(files) and all(one.get("hash") for one in files)
    if "git" in source:
        return _repository(entry, str(source["git"]).rpartition("#")[2])
    if "url" in source:
        return _asked(entry, Source.URL, exact=hashed, hashed=hashed)
    if _OF_THE_BUILD & source.keys():
        return _asked(entry, Source.LOCAL, exact=True, hashed=True)
    return _asked(entry, Source.INDEX, exact=True, hashed=hashed)


def poetry_entry(entry: Table, old_files: Table) -> Asked:
    """Poetry's and PDM's; `old_files` is where locks before version 2 keep the hashes."""
    source = entry.get("source") or {}
    files = _rows(entry.get("files") or old_files.get(str(entry.get("name"))))
    hashed = bool(files) and all(one.get("hash") for one in files)
    if source.get("type") == "git" or "git" in entry:
        return _repository(entry, str(source.get("resolved_reference") or entry.get("revision")))
    if source.get("type") == "url" or "url" in entry:
        return _asked(entry, Source.URL, exact=hashed, hashed=hashed)
    if source.get("type") in _OF_THE_BUILD or "path" in entry:
        return _asked(entry, Source.LOCAL, exact=True, hashed=True)
    return _asked(entry, Source.INDEX, exact=True, hashed=hashed)


def pylock_entry(entry: Table) -> Asked:
    """PEP 751: hashes are a table for each file."""
    if vcs := entry.get("vcs"):
        return _repository(entry, str(vcs.get("commit-id")))
    if archive := entry.get("archive"):
        return _asked(entry, Source.URL, exact=bool(archive.get("hashes")), hashed=bool(archive.get("hashes")))
    if "directory" in entry:
        return _asked(entry, Source.LOCAL, exact=True, hashed=True)
    files = [*_rows(entry.get("wheels")), *_rows([entry.get("sdist")])]
    return _asked(entry, Source.INDEX, exact=True, hashed=bool(files) and all(one.get("hashes") for one in files))


def pipfile_entry(name: str, entry: Table) -> Asked:
    """A version is spelled as a specifier here."""
    if "git" in entry:
        return _repository({"name": name}, str(entry.get("ref")))
    hashed = bool(entry.get("hashes"))
    if str(entry.get("file", "")).startswith("http"):
        return _asked({"name": name}, Source.URL, exact=hashed, hashed=hashed)
    if _OF_THE_BUILD & entry.keys():
        return _asked({"name": name}, Source.LOCAL, exact=True, hashed=True)
    return read_requirement(f"{name}{entry.get('version') or ''}".rstrip("*"), hashed=hashed)


def index_of(entry: Table) -> str | None:
    """The address of the index that a package came from, where the lock says it."""
    source = entry.get("source") or {}
    found = source.get("registry") or source.get("url") or entry.get("index")
    return found if isinstance(found, str) else None


def _asked(entry: Table, source: Source, *, exact: bool, hashed: bool) -> Asked:
    name, version = str(entry.get("name", "?")), str(entry.get("version", ""))
    text = f"{name} {version}".strip()
    return Asked(
        text=text,
        source=source,
        name=canonicalize_name(name),
        exact=exact,
        hashed=hashed,
        prerelease=is_early(version),
        nightly=is_nightly(version),
    )


def _repository(entry: Table, commit: str) -> Asked:
    return _asked(entry, Source.REPOSITORY, exact=bool(FULL_COMMIT.fullmatch(commit)), hashed=False)


def _rows(found: Any) -> Sequence[Table]:
    return [one for one in found or () if isinstance(one, Mapping)]

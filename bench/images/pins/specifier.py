"""Reads one requirement as pip and uv write it: what it asks for, and how exactly.

Exact is `==` or `===` with a whole version; `==1.*`, ranges and `~=` are not. A version that is still a variable
(`==${VLLM_VERSION}`) counts as exact: whoever builds gives it. A repository is exact at a full commit only, since tags
and branches move and a short commit may become ambiguous; an archive by URL is exact with a checksum behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

FULL_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})", re.IGNORECASE)
_REPOSITORY = re.compile(r"^(git|hg|svn|bzr)\+", re.IGNORECASE)
_NUMBERED = re.compile(r"[1-9][0-9]*")  # a revision of Subversion or Bazaar is a number, and never changes
_URL = re.compile(r"^(https?|ftp|s3|gs)://", re.IGNORECASE)
_NAMED_URL = re.compile(
    r"^[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*(?P<url>[a-z0-9+]+:.*)$", re.IGNORECASE | re.DOTALL
)
_TOOL = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)@(?P<version>[\w.+!-]+)$")  # uv's name@version
_CHECKSUM = re.compile(r"[#&](?:sha256=[0-9a-f]{64}|sha384=[0-9a-f]{96}|sha512=[0-9a-f]{128})(?:&|$)", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tgz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{[^}]*\}|\([^)]*\)|\w+)")
_NIGHTLY_NAME = re.compile(r"(^|-)nightly(-|$)")
_ADMITTING = {"==", "===", ">=", ">", "~="}  # operators that let the version they name in
UNKNOWN_VERSION = "0+unknown"  # stands where a variable stood


class Source(Enum):
    """Where a requirement comes from."""

    INDEX = "index"
    REPOSITORY = "repository"
    URL = "url"
    LOCAL = "local"  # a file or folder of the build: what it holds is the build's own
    UNKNOWN = "unknown"  # a variable that nothing here gives, or no requirement at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One requirement."""

    text: str
    source: Source
    name: str | None = None  # in the index's spelling
    exact: bool = False  # the same thing at every build: version, commit or checksum
    hashed: bool = False  # the bytes are checked
    prerelease: bool = False  # names an alpha, beta, candidate or nightly build
    nightly: bool = False  # names a nightly build: such are taken away again
    variable: bool = False  # only a variable away from being known


def read_requirement(text: str, *, hashed: bool = False, editable: bool = False) -> Asked:
    """`hashed` = `--hash` stands beside it; `editable` = behind `-e`, where a bare word is a folder."""
    text = text.strip()
    named = _NAMED_URL.match(text)
    address = (named["url"] if named else text).partition(" ;")[0].strip()
    name = canonicalize_name(re.split(r"[\s\[@]", text, maxsplit=1)[0]) if named else None
    if _REPOSITORY.match(address):
        return Asked(text=text, source=Source.REPOSITORY, name=name, exact=_at_commit(address))
    if _URL.match(address):
        checked = hashed or bool(_CHECKSUM.search(address))
        return Asked(text=text, source=Source.URL, name=name, exact=checked, hashed=checked)
    if "$(" in text or "`" in text:
        return _of_index(text, hashed)  # what a command prints, whatever it has for a path in its own words
    if editable or address.startswith("file:") or _is_path(text):
        return Asked(text=text, source=Source.LOCAL, name=name, exact=True, hashed=True)
    return _of_index(text, hashed)


def local_folder(text: str, *, editable: bool = False) -> str | None:
    """The folder that a requirement names, without extras; None for anything else, an archive too."""
    if "$" in text or read_requirement(text, editable=editable).source is not Source.LOCAL:
        return None
    path = text.partition(" ;")[0].partition(" @ ")[2 if " @ " in text else 0].strip().removeprefix("file:")
    path = "/" + path.lstrip("/") if path.startswith("//") else path
    path = re.sub(r"\s*\[[^\]]*\]\Z", "", path)
    return None if _ARCHIVE.search(path) or path.startswith("~") else path


def is_archive(text: str) -> bool:
    """Whether it is a wheel or an archive of the build: its file is the build's own, what it depends on is not."""
    path = re.sub(r"\s*\[[^\]]*\]\Z", "", text.partition(" ;")[0].strip())
    return read_requirement(text).source is Source.LOCAL and _ARCHIVE.search(path) is not None


def extras_of(text: str) -> frozenset[str]:
    """`.[gpu,test]` -> gpu, test."""
    found = re.search(r"\[([^\]]*)\]\s*\Z", text.partition(" @ ")[0].partition(";")[0].strip())
    return frozenset(one.strip() for one in found[1].split(",")) if found else frozenset()


def _at_commit(address: str) -> bool:
    """The revision stands behind the last @ of the path; an @ before the host belongs to the user's name."""
    path = address.partition("#")[0].partition("://")[2].partition("/")[2]
    revision = path.rpartition("@")[2] if "@" in path else ""
    if "$" in revision:
        return True  # given by whoever builds
    if address.lower().startswith(("svn+", "bzr+")):
        return bool(_NUMBERED.fullmatch(revision))
    return bool(FULL_COMMIT.fullmatch(revision))


def _is_path(text: str) -> bool:
    bare = re.sub(r"\[[^\]]*\]$", "", text.partition(" ;")[0].strip())  # extras may follow a path
    return bare.startswith((".", "/", "~")) or bool(_ARCHIVE.search(bare)) or ("/" in bare and "@" not in bare)


def _of_index(text: str, hashed: bool) -> Asked:
    tool = _TOOL.match(text)
    if tool:
        exact = _is_version(tool["version"])
        text_as_pip = f"{tool['name']}=={tool['version']}" if exact else tool["name"]
        return _of_index(text_as_pip, hashed)
    variable = "$" in text
    known = _VARIABLE.sub(UNKNOWN_VERSION, text) if variable else text
    try:
        asked = Requirement(known)
    except InvalidRequirement:
        return Asked(text=text, source=Source.UNKNOWN, variable=variable)
    name = canonicalize_name(asked.name)
    nightly = bool(_NIGHTLY_NAME.search(name)) or any(
        part.operator in _ADMITTING and is_nightly(part.version) for part in asked.specifier
    )
    return Asked(
        text=text, source=Source.INDEX, name=name, exact=is_exact(asked.specifier), hashed=hashed,
        prerelease=nightly or _asks_prerelease(asked.specifier), nightly=nightly,
    )  # fmt: skip


def is_exact(specifier: SpecifierSet) -> bool:
    """Whether one version alone fits, whatever the index holds."""
    return any(part.operator in ("==", "===") and not part.version.endswith(".*") for part in specifier)


def _asks_prerelease(specifier: SpecifierSet) -> bool:
    return any(part.operator in _ADMITTING and is_early(part.version) for part in specifier)


def is_early(version: str) -> bool:
    """Whether it is an alpha, a beta, a candidate or a nightly build."""
    return _is_version(version) and Version(version).is_prerelease


def is_nightly(version: str) -> bool:
    """Whether it is one of a day or a commit: `2.10.0.dev20251120`."""
    return _is_version(version) and Version(version).is_devrelease


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True

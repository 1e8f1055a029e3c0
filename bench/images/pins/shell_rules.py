"""Packages that RUN installs: apt-not-pinned, pip-not-pinned, pip-no-hash, conda-not-pinned, nightly.

One finding of a rule for each command, on the line where the command begins. apt: `name=VERSION` without a wildcard is
pinned, and so is every name once the sources are a dated snapshot. pip, uv and pipx: as `requirement` says; lists (-r)
and projects (`.`, `-e .`) are followed to the build context. conda: as `conda_env` says.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from bench.anatomy import PinFinding
from bench.images.pins.build_context import PROJECT_FILES
from bench.images.pins.conda_env import conda_findings as conda_words
from bench.images.pins.grade import found
from bench.images.pins.installers import Call
from bench.images.pins.pip_words import Said, read_words
from bench.images.pins.projects import wanted_of
from bench.images.pins.pyproject import Wanted
from bench.images.pins.requirement import requirement_findings
from bench.images.pins.site import Site
from bench.images.pins.specifier import extras_of, is_archive, local_folder
from bench.vocabulary import PinRule

SNAPSHOT = re.compile(r"snapshot\.(debian\.org|ubuntu\.com)|snapshot-cloudflare\.debian\.org")
APT_MOVES_ALL = {"upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade", "build-dep"}
APT_VALUED = {"-o", "-t", "-c", "-a", "-S", "--option", "--target-release", "--default-release", "--config-file"}
PIP_VERBS = {"install", "wheel", "download", "pip install", "add", "tool install", "tool run", "run", "inject"}
CONDA_VERBS = {"install", "create", "env create", "env update", "update", "upgrade"}
CONDA_FILES = {"-f", "--file"}
APT_REPAIR = (
    "write {name}=VERSION, or take the sources from a dated snapshot (snapshot.debian.org, snapshot.ubuntu.com)"
)


def apt_findings(call: Call, file: str, *, snapshot: bool) -> Iterator[PinFinding]:
    """`snapshot` = the sources are those of one day."""
    line, dated = call.command.line, snapshot or any(w in ("-S", "--snapshot") for w in call.words)
    if dated or any(word.startswith("--snapshot=") for word in call.words):
        return
    if call.verb in APT_MOVES_ALL:
        text = f"apt {call.verb} takes whatever the mirror has that day"
        yield found(PinRule.APT_NOT_PINNED, file, line, text, "take a newer base instead, and name it by digest")
    if call.verb in ("install", "reinstall"):
        loose = [word for word in apt_names(call.words) if not _apt_exact(word)]
        if loose:
            text = f"{shown(loose)}: whatever version the mirror has that day"
            repair = APT_REPAIR.format(name=re.split(r"[=/]", loose[0])[0])
            yield found(PinRule.APT_NOT_PINNED, file, line, text, repair)


def apt_names(words: Sequence[str]) -> list[str]:
    """Packages by name, and the output of commands: no options, no files, no variable of the caller, none to remove."""
    rest = iter(words)
    out = []
    for word in rest:
        if word in APT_VALUED:
            next(rest, None)
        elif word.startswith("$(") or (not word.startswith(("-", "/", "./", "$")) and not word.endswith((".deb", "-"))):
            out.append(word)
    return out


def _apt_exact(word: str) -> bool:
    version = word.partition("=")[2]
    return bool(version) and "*" not in version


def pip_findings(call: Call, site: Site) -> None:
    """pip, uv and pipx, with the lists and projects that they install."""
    words = [*call.words, *_by_environment(call)]
    if call.verb in ("pip sync", "pip compile"):
        words = [] if call.verb == "pip compile" else [part for word in words for part in _sync(word)]
    elif call.verb not in PIP_VERBS:
        return
    if call.verb == "run":  # `uv run --with X program`: only what is asked for by options
        words = [*_with(words)]
    said, line = read_words(words), call.command.line
    hashed = said.require_hashes or call.truthy("PIP_REQUIRE_HASHES", "UV_REQUIRE_HASHES")
    said.no_deps = said.no_deps or call.truthy("PIP_NO_DEPS")
    pinned = site.pinned_by(said.constraint_files)
    findings = requirement_findings(words, file=site.file, line=line, hashes_required=hashed, pinned=pinned)
    site.installed.findings += findings
    if not (hashed or any(one.rule == PinRule.PIP_NO_HASH for one in findings)):
        _archives(said, line, site)
    for name in said.requirement_files:
        if PurePosixPath(name).name in PROJECT_FILES:  # uv reads the dependencies out of it, and builds nothing
            wanted = Wanted(builds=False, extras=frozenset(said.extras), pinned=pinned, no_index=said.no_index)
            why = site.project(posixpath.dirname(name) or ".", wanted)
            site.no_project(line, [why] if why else [])
        else:
            site.list_of(name, line, hashes_required=hashed or said.no_index, pinned=pinned)
    _projects(said, line, hashed, pinned, site)


def _archives(said: Said, line: int, site: Site) -> None:
    """`/wheels/x.whl`: nothing holds what it depends on."""
    archives = [text for text in said.requirements if is_archive(text)]
    if archives and not said.no_deps and not said.no_index:
        text = f"{shown(archives)}: the file is the build's own, but what it depends on comes in any version"
        site.tell(PinRule.PIP_NO_HASH, line, text, "add --no-deps, or --no-index with all wheels in --find-links")


def _projects(said: Said, line: int, hashed: bool, pinned: frozenset[str], site: Site) -> None:
    """`.`, `-e .`, `./sub[extra]`, `--group test`."""
    reasons = list[str]()
    for text, editable in [*((one, False) for one in said.requirements), *((one, True) for one in said.editable)]:
        folder = local_folder(text, editable=editable)
        if folder is not None and not hashed:  # pip refuses a folder where it wants hashes
            reasons.append(site.project(folder, wanted_of(said, [*said.extras, *extras_of(text)], pinned)))
    for group in said.groups:
        path, colon, name = group.rpartition(":")
        wanted = Wanted(depends=False, builds=False, groups=frozenset([name]), pinned=pinned, no_index=said.no_index)
        site.project(posixpath.dirname(path) or "." if colon else ".", wanted)
    site.no_project(line, [why for why in reasons if why and not said.no_index])


def _sync(word: str) -> tuple[str, ...]:
    """`uv pip sync FILE`."""
    return (word,) if word.startswith("-") else ("-r", word)


def _with(words: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        if word.startswith("--with="):
            yield word
        elif word == "--with":
            yield from words[at : at + 2]


def _by_environment(call: Call) -> Iterator[str]:
    """Options that a variable gives."""
    settings = call.command.settings
    if call.truthy("PIP_PRE"):
        yield "--pre"
    if call.truthy("PIP_NO_INDEX", "UV_NO_INDEX"):
        yield "--no-index"
    if settings.get("UV_PRERELEASE") == "allow":
        yield from ("--prerelease", "allow")
    kind = "PIP_" if call.manager == "pip" else "UV_"
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "DEFAULT_INDEX", "INDEX"):
        for address in settings.get(kind + name, "").split():
            yield from ("--extra-index-url", address)
    for name in ("CONSTRAINT", "OVERRIDE"):
        for path in settings.get(kind + name, "").split():
            yield from ("-c", path)


def conda_findings(call: Call, site: Site) -> None:
    """conda, mamba and micromamba; files are added to what is to be read."""
    if call.verb not in CONDA_VERBS:
        return
    line, names = call.command.line, list(_files(call.words))
    for name in names:
        site.list_of(name, line, hashes_required=False)
    if call.verb in ("update", "upgrade") and "--all" in call.words:
        text = "every package becomes the newest one of that day"
        repair = "take a newer base instead, or name the packages with their versions"
        site.tell(PinRule.CONDA_NOT_PINNED, line, text, repair)
    words = [word for word in call.words if word not in names]
    site.installed.findings += conda_words(words, file=site.file, line=line)


def _files(words: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in CONDA_FILES and (equals or at + 1 < len(words)):
            yield value if equals else words[at + 1]


def shown(names: Sequence[str], most: int = 6) -> str:
    """Some of them, and how many more."""
    return ", ".join(name[:120] for name in names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )

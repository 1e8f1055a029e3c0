"""Reads requirement and constraint files as pip does: continuation lines, comments, options, files that name files.

A missing hash is told once for each file, at the first line that lacks one. A constraints file installs nothing, so a
range in it is no finding; what it gives one exact version counts as pinned wherever it is used.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from bench.anatomy import PinFinding
from bench.images.pins.build_context import is_inside
from bench.images.pins.grade import found, told
from bench.images.pins.pip_words import read_words
from bench.images.pins.projects import Project, lint_project
from bench.images.pins.pyproject import Wanted
from bench.images.pins.readable import is_file, read_bounded, unreadable
from bench.images.pins.requirement import requirement_findings, told_once
from bench.images.pins.specifier import Source, extras_of, local_folder, read_requirement
from bench.vocabulary import PinRule

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CONDA_URL = re.compile(r"^https?://\S+\.(conda|tar\.bz2)(?P<sum>#(sha256:)?[0-9a-f]{32,64})?$")
EXPLICIT = "@EXPLICIT"  # conda's own list of addresses
Allowed = Callable[[Path], bool]
NESTED = {".txt", ".in", ".lock", ".pip"}  # no other file is opened because a list names it


def lint_requirements(
    path: Path,
    file: str,
    *,
    allowed: Allowed | None = None,
    hashes_required: bool = False,
    seen: frozenset[Path] = frozenset(),
) -> list[PinFinding]:
    """All of a file, and of the lists that it names; `file` is how findings call it.

    `allowed` says which lists may be opened: those of its own folder where nobody says more.
    """
    allowed = allowed or (lambda other: is_inside(other, path.parent))
    text = read_bounded(path)
    lines = list(logical_lines(text))
    if any(words == [EXPLICIT] for _, words in lines):
        return _explicit(text, file)
    if "constraint" in path.name.lower():
        return _constraints(lines, file)
    pinned = frozenset[str]().union(*(_constrained(path, words, allowed) for _, words in lines))
    required = hashes_required or any("--require-hashes" in words for _, words in lines)
    findings = lint_lines(lines, file, hashes_required=required, pinned=pinned)
    return findings + lint_named(lines, path, file, allowed=allowed, hashes_required=required, seen=seen)


def lint_named(
    lines: Iterable[tuple[int, list[str]]],
    path: Path,
    file: str,
    *,
    allowed: Allowed | None = None,
    hashes_required: bool = False,
    seen: frozenset[Path] = frozenset(),
) -> list[PinFinding]:
    """Of the lists and the projects that the lines of a file name: `-r FILE`, `-e .`."""
    allowed = allowed or (lambda other: is_inside(other, path.parent))
    seen |= {Path(os.path.realpath(path))}  # Path.resolve fails at a link to itself
    findings: list[PinFinding] = []
    for line, words in lines:
        for name in read_words(words).requirement_files:
            nested = Path(os.path.realpath(path.parent / name))
            why = _why_not(name, nested, allowed)
            if why and "://" not in name:
                findings.append(not_judged(name, why, file, line, costs=not hashes_required))
            elif not why and nested not in seen:
                findings += _nested(nested, _beside(file, name), allowed, hashes_required, seen)
        if not hashes_required:  # pip refuses a folder where it wants hashes
            findings += _projects(words, line, path, file, allowed, seen)
    return findings


def _projects(
    words: Sequence[str], line: int, path: Path, file: str, allowed: Allowed, seen: frozenset[Path]
) -> list[PinFinding]:
    """What `-e .` and `./sub[extra]` bring: the folder is taken from where the list lies."""
    said, findings = read_words(words), list[PinFinding]()
    for text in [] if said.no_deps else [*said.requirements, *said.editable]:
        folder = local_folder(text, editable=text in said.editable)
        if folder is None:
            continue
        wanted = Wanted(extras=extras_of(text))
        project = Project(folder=path.parent / folder, context=path.parent / folder, wanted=wanted)
        if not is_file(project.file) or not allowed(project.file):
            findings.append(not_judged(folder, "is no folder here with a pyproject.toml", file, line))
            continue
        rows, lists = lint_project(project, _beside(file, f"{folder}/{project.file.name}"))
        findings += rows
        for one in lists:
            if allowed(one) and one not in seen:
                name = os.path.relpath(one, path.parent)
                findings += _nested(one, _beside(file, name), allowed, False, seen)
    return findings


def _beside(file: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), name))


def lint_lines(
    lines: Iterable[tuple[int, list[str]]],
    file: str,
    *,
    hashes_required: bool = False,
    pinned: Collection[str] = (),
) -> list[PinFinding]:
    """Of logical lines alone: the lists that they name are left aside."""
    findings: list[PinFinding] = []
    for line, words in lines:
        findings += requirement_findings(words, file=file, line=line, hashes_required=hashes_required, pinned=pinned)
    return told_once(findings)


def not_judged(name: str, why: str, file: str, line: int, *, costs: bool = True) -> PinFinding:
    """A list that cannot be read costs what an unpinned install costs; nothing where pip takes only what has a hash."""
    text = f"{name[:120]} {why}: what it installs is not judged"
    text += "" if costs else "; hashes are required, so pip takes nothing that the list does not hold"
    repair = f"give it beside the file that names it: nimbench image lint {file} PATH/{name.rsplit('/', 1)[-1][:80]}"
    return (found if costs else told)(PinRule.UNREADABLE, file, line, text, repair)


def _why_not(name: str, path: Path, allowed: Allowed) -> str:
    """Why a list is not opened; "" for one that is."""
    if Path(name).is_absolute():
        return "is a path inside the image"
    if path.suffix not in NESTED:
        return "is not opened, since its name is not one of a list"
    if not allowed(path):
        return "lies outside the folder of the build"
    return "" if is_file(path) else "is not there"


def _nested(path: Path, file: str, allowed: Allowed, hashes_required: bool, seen: frozenset[Path]) -> list[PinFinding]:
    try:
        return lint_requirements(path, file, allowed=allowed, hashes_required=hashes_required, seen=seen)
    except (OSError, ValueError) as error:
        return [unreadable(file, error)]


def pinned_names(source: Path | list[tuple[int, list[str]]]) -> frozenset[str]:
    """What a constraints file, or its lines, give one exact version; nothing where it cannot be read."""
    try:
        lines = list(logical_lines(read_bounded(source))) if isinstance(source, Path) else source
    except (OSError, ValueError):  # an absent list pins nothing, and the finding on its user says so
        return frozenset()
    asked = [read_requirement(text) for _, words in lines for text in read_words(words).requirements]
    return frozenset(one.name for one in asked if one.source is Source.INDEX and one.exact and one.name)


def logical_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, [the requirement, its options…]): a comment ends a continuation, as in pip."""
    began, pieces = 0, list[str]()
    for number, physical in enumerate([*text.splitlines(), ""], start=1):
        comment = physical.lstrip().startswith("#")
        if physical.endswith("\\") and not comment:
            began, pieces = began or number, [*pieces, physical[:-1]]
            continue
        if words := _words(" ".join([*pieces, "" if comment else physical])):
            yield began or number, words
        began, pieces = 0, []


def _words(line: str) -> list[str]:
    """What stands before the first option is one requirement, spaces and markers included."""
    line = _COMMENT.sub("", line).strip()
    if not line:
        return []
    parts = line.split()
    first = next((index for index, part in enumerate(parts) if part.startswith("-")), len(parts))
    asked = " ".join(parts[:first])
    try:
        options = shlex.split(" ".join(parts[first:]))
    except ValueError:  # a quote left open
        options = parts[first:]
    return [*([asked] if asked else []), *options]


def _constrained(path: Path, words: Sequence[str], allowed: Allowed) -> frozenset[str]:
    paths = [path.parent / name for name in read_words(words).constraint_files if "://" not in name]
    return frozenset[str]().union(*(pinned_names(one) for one in paths if allowed(one)))


def _constraints(lines: Sequence[tuple[int, list[str]]], file: str) -> list[PinFinding]:
    installs = (PinRule.PIP_NOT_PINNED, PinRule.PIP_NO_HASH)
    findings = [one for line, words in lines for one in requirement_findings(words, file=file, line=line)]
    return [one for one in findings if one.rule not in installs]


def _explicit(text: str, file: str) -> list[PinFinding]:
    """Conda's list of addresses: each with the sum of its file."""
    return [
        PinFinding(
            rule=PinRule.URL_NO_CHECKSUM,
            file=file,
            line=number,
            text=f"{line.strip()[:120]}: whatever lies at that address is installed",
            repair="write the list with its sums: conda list --explicit --sha256",
        )
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := _CONDA_URL.match(line.strip())) and not match["sum"]
    ]

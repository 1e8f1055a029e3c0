"""Reads requirement and constraint files as pip does: continuation lines, comments, options, files that name files.

A missing hash is told once for each file, at the first line that lacks one. A constraints file installs nothing, so a
range in it is no finding; what it gives one exact version counts as pinned wherever it is used.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from bench.anatomy import PinFinding
from bench.images.pins.pip_words import read_words
from bench.images.pins.readable import read_bounded, unreadable
from bench.images.pins.requirement import requirement_findings
from bench.images.pins.specifier import Source, read_requirement
from bench.vocabulary import PinRule

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CONDA_URL = re.compile(r"^https?://\S+\.(conda|tar\.bz2)(?P<sum>#(sha256:)?[0-9a-f]{32,64})?$")
EXPLICIT = "@EXPLICIT"  # conda's own list of addresses
LINES_SHOWN = 8
NESTED = {".txt", ".in", ".lock", ".pip"}  # no other file is opened because a list names it


def lint_requirements(path: Path, file: str, seen: frozenset[Path] = frozenset()) -> list[PinFinding]:
    """All of a file, and of the files that it names and that lie on this host; `file` is how findings call it."""
    text = read_bounded(path)
    lines = list(logical_lines(text))
    if any(words == [EXPLICIT] for _, words in lines):
        return _explicit(text, file)
    if "constraint" in path.name.lower():
        return _constraints(lines, file)
    pinned = frozenset[str]().union(*(_constrained(path, words) for _, words in lines))
    required = any("--require-hashes" in words for _, words in lines)
    findings: list[PinFinding] = []
    for line, words in lines:
        findings += requirement_findings(words, file=file, line=line, hashes_required=required, pinned=pinned)
    findings = told_once(findings)
    for name in (name for _, words in lines for name in read_words(words).requirement_files):
        nested = (path.parent / name).resolve()
        wanted = nested.suffix in NESTED and not Path(name).is_absolute()
        if wanted and nested.is_file() and nested not in seen | {path.resolve()}:
            findings += _nested(nested, str(PurePosixPath(file).parent / name), seen | {path.resolve()})
    return findings


def _nested(path: Path, file: str, seen: frozenset[Path]) -> list[PinFinding]:
    try:
        return lint_requirements(path, file, seen)
    except (OSError, ValueError) as error:
        return [unreadable(file, error)]


def pinned_names(path: Path) -> frozenset[str]:
    """What a constraints file gives one exact version; nothing where it cannot be read."""
    try:
        lines = list(logical_lines(read_bounded(path)))
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


def told_once(findings: Sequence[PinFinding]) -> list[PinFinding]:
    """One missing hash is told for each file: it is the file that has none."""
    bare = [one for one in findings if one.rule == PinRule.PIP_NO_HASH]
    if len(bare) < 2:
        return list(findings)
    numbers = sorted({one.line for one in bare})
    shown = ", ".join(str(number) for number in numbers[:LINES_SHOWN]) + (", …" if len(numbers) > LINES_SHOWN else "")
    text = f"{len(bare)} exact versions without a hash (lines {shown}): neither their files nor what they depend on "
    one = replace(min(bare, key=lambda found: found.line), text=text + "are checked")
    return sorted([*(one for one in findings if one.rule != PinRule.PIP_NO_HASH), one], key=lambda found: found.line)


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


def _constrained(path: Path, words: Sequence[str]) -> frozenset[str]:
    names = [name for name in read_words(words).constraint_files if "://" not in name]
    return frozenset[str]().union(*(pinned_names(path.parent / name) for name in names))


def _constraints(lines: Sequence[tuple[int, list[str]]], file: str) -> list[PinFinding]:
    installs = (PinRule.PIP_NOT_PINNED, PinRule.PIP_NO_HASH)
    found = [one for line, words in lines for one in requirement_findings(words, file=file, line=line)]
    return [one for one in found if one.rule not in installs]


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

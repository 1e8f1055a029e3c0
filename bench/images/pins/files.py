"""Lints the files of a build: finds what is known in a folder, reads each once, and grades the whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from bench.anatomy import DayZero, Lint, PinFinding
from bench.container import Build
from bench.errors import InputError
from bench.images.pins.day_zero import excuse
from bench.images.pins.dockerfile_lint import lint_dockerfile
from bench.images.pins.grade import found, grade_of
from bench.images.pins.hadolint import find_hadolint, hadolint_findings, version_of
from bench.images.pins.python_files import is_python_file, lint_python_file
from bench.vocabulary import PinRule

MOST_BYTES = 1 << 18  # of a Dockerfile; one of 40 kB is among the longest that people write
DOCKERFILE = re.compile(r"(.*\.)?(dockerfile|containerfile)([._-].*)?", re.IGNORECASE)


def lint_files(
    paths: Sequence[Path],
    *,
    day_zero: DayZero | None = None,
    today: date | None = None,
    build_args: Mapping[str, str] | None = None,
    hadolint: bool = True,
    root: Path | None = None,
) -> Lint:
    """What is not pinned in these files, and the grade. A folder stands for all files in it that are known by name.

    `build_args` are what the caller builds with. A base that an ARG without a default decides (`FROM ${BASE_IMAGE}`)
    is judged only by them: leave out one that is an image made on this host. Requirement files that a Dockerfile
    installs are read where they lie beside it, or are among `paths`. `root`: findings name files relative to it.
    """
    files = _files(paths)
    program = find_hadolint() if hadolint else None
    findings, read = list[PinFinding](), list[Path]()
    queue = list(files)
    while queue:
        path = queue.pop(0)
        if any(_same(path, one) for one in read):
            continue
        read.append(path)
        name = _name(path, root)
        if not _is_dockerfile(path):
            findings += lint_python_file(path, name)
            continue
        text = _text(path)
        if text is None:
            findings.append(_no_text(name))
            continue
        installed = lint_dockerfile(text, name, folder=path.parent, named=files, build_args=build_args or {})
        findings += installed.findings
        queue += installed.files
        if program:
            findings += hadolint_findings(program, path, name)
    order = {_name(path, root): place for place, path in enumerate(read)}
    findings.sort(key=lambda one: (order.get(one.file, len(order)), one.line))
    findings = list(dict.fromkeys(findings))  # a list that another one names may also be among the files
    counted, excused = excuse(findings, day_zero, today or datetime.now(UTC).date())
    return Lint(
        grade=grade_of(counted),
        findings=tuple(counted),
        files=tuple(_name(path, root) for path in read),
        excused=tuple(excused),
        day_zero=day_zero,
        hadolint=version_of(program) if program else None,
    )


def lint_build(build: Build, *, today: date | None = None, hadolint: bool = True) -> Lint:
    """Of an arm's build: its Dockerfile and the requirements that become its wheels, with what it is called with.

    Files are named relative to the folder that holds them all, so that no name says where this host keeps them.
    """
    files = [Path(build.context, build.dockerfile), *([Path(build.wheelhouse)] if build.wheelhouse else [])]
    given = dict(build.args) | ({"BASE_IMAGE": build.base_image} if build.base_image else {})
    root = Path(os.path.commonpath([path.resolve().parent for path in files]))
    return lint_files(files, day_zero=build.day_zero, today=today, build_args=given, hadolint=hadolint, root=root)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            known = [one for one in sorted(path.iterdir()) if one.is_file() and _is_known(one)]
            if not known:
                raise InputError(
                    "no file in this folder is known to the linter",
                    where=str(path),
                    expected="a Dockerfile, requirements*.txt, pyproject.toml, a lock or environment.yml",
                    repair="name the files",
                )
            files += known
        elif path.is_file():
            files.append(path)
        else:
            raise InputError("there is no such file", where=str(path), repair="name a file or a folder that exists")
    return files


def _is_known(path: Path) -> bool:
    return _named_dockerfile(path) or is_python_file(path)


def _named_dockerfile(path: Path) -> bool:
    return DOCKERFILE.fullmatch(path.name) is not None and path.suffix not in (".md", ".py", ".dockerignore")


def _is_dockerfile(path: Path) -> bool:
    """By name, or by a FROM in a file whose name says nothing."""
    if _named_dockerfile(path):
        return True
    if is_python_file(path) or path.suffix in (".txt", ".in", ".lock", ".toml", ".yml", ".yaml"):
        return False
    return re.search(r"(?mi)^\s*FROM\s+\S", _text(path) or "") is not None


def _text(path: Path) -> str | None:
    """None for what is no text or far too long."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        return content.decode("utf-8") if len(content) <= MOST_BYTES and b"\0" not in content else None
    except (OSError, UnicodeDecodeError):
        return None


def _no_text(name: str) -> PinFinding:
    text = "no text that can be read as a Dockerfile"
    return found(PinRule.UNREADABLE, name, 1, text, "give a Dockerfile in UTF-8, at most 256 KiB")


def _same(one: Path, other: Path) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _name(path: Path, root: Path | None) -> str:
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        return str(path.resolve().relative_to(root.resolve()))
    return str(path)

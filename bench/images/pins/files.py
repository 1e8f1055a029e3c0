"""Lints the files of a build: finds what is known in a folder, reads each once, and grades the whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from bench.anatomy import DayZero, Lint
from bench.container import Build
from bench.errors import InputError
from bench.images.pins.build_context import LeavesContext, is_inside
from bench.images.pins.day_zero import excuse
from bench.images.pins.grade import grade_of
from bench.images.pins.hadolint import find_hadolint, version_of
from bench.images.pins.python_files import is_python_file
from bench.images.pins.readable import unreadable
from bench.images.pins.reading import Reading, named_dockerfile


def lint_files(
    paths: Sequence[Path],
    *,
    day_zero: DayZero | None = None,
    today: date | None = None,
    build_args: Mapping[str, str] | None = None,
    hadolint: bool = True,
    root: Path | None = None,
    context: Path | None = None,
) -> Lint:
    """What is not pinned in these files, and the grade. A folder stands for all files in it that are known by name.

    `build_args` are what the caller builds with. A base that an ARG without a default decides (`FROM ${BASE_IMAGE}`)
    is judged only by them: leave out one that is an image made on this host. Requirement files that a Dockerfile
    installs are read where they lie in `context`, by default the Dockerfile's folder, or are among `paths`. `root`:
    findings name files relative to it.
    """
    files, links = _files(paths)
    program = find_hadolint() if hadolint else None
    reading = Reading(given=files, build_args=build_args or {}, program=program, root=root, context=context)
    findings = list(dict.fromkeys(reading.read()))  # a list that another one names may also be among the files
    findings += [unreadable(str(one), LeavesContext("a link leads out of the folder")) for one in links]
    order = {reading.name(path): place for place, path in enumerate(reading.found)}
    findings.sort(key=lambda one: (order.get(one.file, len(order)), one.line))
    counted, excused = excuse(findings, day_zero, today or datetime.now(UTC).date())
    return Lint(
        grade=grade_of(counted),
        findings=tuple(counted),
        files=tuple(order),
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
    return lint_files(
        files,
        day_zero=build.day_zero,
        today=today,
        build_args=given,
        hadolint=hadolint,
        root=root,
        context=Path(build.context),
    )


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """What is read, and the links of a folder that lead out of it, which nobody named."""
    files, links = list[Path](), list[Path]()
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
            files += [one for one in known if is_inside(one, path)]
            links += [one for one in known if not is_inside(one, path)]
        elif path.is_file():
            files.append(path)
        else:
            raise InputError("there is no such file", where=str(path), repair="name a file or a folder that exists")
    return files, links


def _is_known(path: Path) -> bool:
    return named_dockerfile(path) or is_python_file(path)

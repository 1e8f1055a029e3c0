"""Reads the files of a build, each once, and what they lead to: lists, locks, projects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.anatomy import PinFinding
from bench.errors import InputError
from bench.images.pins.build_context import BuildContext, is_inside
from bench.images.pins.dockerfile_lint import lint_dockerfile
from bench.images.pins.hadolint import hadolint_findings
from bench.images.pins.projects import Project, lint_project
from bench.images.pins.python_files import is_python_file, lint_python_file

MOST_BYTES = 1 << 18  # of a Dockerfile; one of 40 kB is among the longest that people write
DOCKERFILE = re.compile(r"(.*\.)?(dockerfile|containerfile)([._-].*)?", re.IGNORECASE)
FROM = re.compile(r"(?mi)^\s*FROM\s+\S")
NOT_LISTS = (".txt", ".in", ".lock", ".toml", ".yml", ".yaml")
ADDRESS_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+@")  # user:password@ of an address


@dataclass(slots=True, kw_only=True)
class Reading:
    """All files that were given, and those that they name."""

    given: Sequence[Path]
    build_args: Mapping[str, str]
    program: str | None = None  # hadolint
    root: Path | None = None  # findings name files relative to it
    context: Path | None = None  # of the Dockerfiles; None = the folder of each
    found: dict[Path, list[PinFinding]] = field(default_factory=dict)  # by file, in the order of reading
    projects: list[Project] = field(default_factory=list)  # still to be judged
    installed: set[Path] = field(default_factory=set)  # the files of those that are

    def read(self) -> list[PinFinding]:
        """Everything that was found, file after file."""
        queue = [(path, self._folder(path)) for path in self.given]
        while queue or self.projects:
            if not queue:
                queue = self._project(self.projects.pop(0))
                continue
            path, folder = queue.pop(0)
            if self._seen(path) is None:
                queue += self._file(path, folder)
        return [_without_login(one) for rows in self.found.values() for one in rows]

    def name(self, path: Path) -> str:
        """How findings call a file."""
        if self.root is not None and path.resolve().is_relative_to(self.root.resolve()):
            return str(path.resolve().relative_to(self.root.resolve()))
        return str(path)

    def _folder(self, path: Path) -> Path:
        """What a file that was given may lead to: all that lies with the given ones."""
        if is_dockerfile(path):
            return self.context or path.parent
        return Path(os.path.commonpath([str(one.resolve().parent) for one in self.given]))

    def _file(self, path: Path, folder: Path) -> list[tuple[Path, Path]]:
        name = self.name(path)
        if not is_python_file(path) and path.suffix not in NOT_LISTS and not (_text(path) or "").strip():
            dockerfile_text(path, name)  # which says what it is not
        if not is_dockerfile(path):
            self.found[path] = lint_python_file(path, name, allowed=lambda other: self._allowed(other, folder))
            return []
        context = BuildContext(folder=folder, named=self.given)
        installed = lint_dockerfile(dockerfile_text(path, name), name, context=context, build_args=self.build_args)
        self.found[path] = installed.findings
        if self.program:
            self.found[path] = [*installed.findings, *hadolint_findings(self.program, path, name)]
        self.projects += installed.projects
        return [(one, folder) for one in installed.files]

    def _project(self, project: Project) -> list[tuple[Path, Path]]:
        """What is installed of a project takes the place of what its file leaves open as a whole."""
        path = self._seen(project.file) or project.file
        rows, lists = lint_project(project, self.name(path))
        before = self.found.get(path, []) if path in self.installed else []
        self.installed.add(path)
        self.found[path] = list(dict.fromkeys([*before, *rows]))
        return [(one, project.context) for one in lists]

    def _allowed(self, path: Path, folder: Path) -> bool:
        return is_inside(path, folder) or any(_real(path) == _real(one) for one in self.given)

    def _seen(self, path: Path) -> Path | None:
        real = _real(path)
        return next((one for one in self.found if _real(one) == real), None)


def _real(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve fails at a link to itself


def is_dockerfile(path: Path) -> bool:
    """By name, or by a FROM in a file whose name says nothing."""
    if named_dockerfile(path):
        return True
    if is_python_file(path) or path.suffix in NOT_LISTS:
        return False
    return FROM.search(_text(path) or "") is not None


def named_dockerfile(path: Path) -> bool:
    """`Dockerfile`, `Dockerfile.gpu`, `gpu.Dockerfile`, `Containerfile`."""
    return DOCKERFILE.fullmatch(path.name) is not None and path.suffix not in (".md", ".py", ".dockerignore")


def dockerfile_text(path: Path, name: str) -> str:
    """Its text; InputError where it is none that Docker would build."""
    text = _text(path)
    if text is None or not FROM.search(text):
        raise InputError(
            "this is no Dockerfile",
            where=name,
            expected=f"a text in UTF-8 of at most {MOST_BYTES >> 10} KiB with a FROM",
            got=_kind(path, text),
            repair="name the Dockerfile of the build",
        )
    return text


def _kind(path: Path, text: str | None) -> str:
    try:
        size = path.stat().st_size
    except OSError as error:
        return error.strerror or "a file that cannot be read"
    if text is None:
        return f"{size:,} bytes" if size > MOST_BYTES else "a file that is no text in UTF-8, or cannot be read"
    return "no FROM" if text.strip() else "an empty file"


def _text(path: Path) -> str | None:
    """None for what is no text or far too long."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        return content.decode("utf-8") if len(content) <= MOST_BYTES and b"\0" not in content else None
    except (OSError, UnicodeDecodeError):
        return None


def _without_login(finding: PinFinding) -> PinFinding:
    """Addresses are shown without the name and the password in them."""
    text, repair = ADDRESS_LOGIN.sub("", finding.text), ADDRESS_LOGIN.sub("", finding.repair)
    return finding if (text, repair) == (finding.text, finding.repair) else replace(finding, text=text, repair=repair)

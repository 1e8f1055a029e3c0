"""Projects that a command installs from the build context: `pip install .`, `-e .`, `uv pip install -r pyproject.toml`.

Such an install reads no lock: what the project's own files leave open is open. Dependencies that a program decides
(setup.py, dynamic ones without a list) are known to nobody before the build; they cost as much as unpinned ones.
"""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.anatomy import PinFinding
from bench.images.pins.build_context import is_inside
from bench.images.pins.grade import found
from bench.images.pins.pip_words import Said
from bench.images.pins.pyproject import Wanted, decided_elsewhere, lint_wanted
from bench.images.pins.readable import is_file, read_bounded, unreadable
from bench.images.pins.requirement import findings_about, told_once
from bench.images.pins.specifier import read_requirement
from bench.vocabulary import PinRule

REPAIR = "write the dependencies into pyproject.toml; best, install a list with --require-hashes, then this --no-deps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One folder that is installed, and what of it."""

    folder: Path
    context: Path  # nothing outside is read
    wanted: Wanted

    @property
    def file(self) -> Path:
        """Where its dependencies stand, as far as a name tells."""
        names = ("pyproject.toml", "setup.cfg", "setup.py")
        return next((self.folder / name for name in names if is_file(self.folder / name)), self.folder / names[0])


def lint_project(project: Project, file: str) -> tuple[list[PinFinding], list[Path]]:
    """Findings in the project's own file, and the lists that it takes its dependencies from."""
    try:
        if not is_inside(project.file, project.context):
            raise ValueError("a link leads out of the build context")
        text = read_bounded(project.file)
        if project.file.name == "pyproject.toml":
            return _pyproject(project, text, file)
        if project.file.name == "setup.cfg":
            return _setup_cfg(project, text, file), []
    except (OSError, ValueError, RecursionError) as error:
        return [unreadable(file, error)], []
    return ([_program(file, 1, "setup.py")] if project.wanted.depends else []), []


def _pyproject(project: Project, text: str, file: str) -> tuple[list[PinFinding], list[Path]]:
    findings = lint_wanted(text, file, project.wanted)
    elsewhere = decided_elsewhere(text) if project.wanted.depends else None
    if elsewhere is None:
        return findings, []
    line, names = elsewhere
    lists = [project.folder / name for name in names]
    if not names:
        setup_cfg = project.folder / "setup.cfg"
        if is_file(setup_cfg) and is_inside(setup_cfg, project.context) and not is_file(project.folder / "setup.py"):
            return [*findings, *_setup_cfg(project, read_bounded(setup_cfg), _beside(file, "setup.cfg"))], []
        named = "setup.py" if is_file(project.folder / "setup.py") else "the program that builds it"
        return [*findings, _program(file, line, named)], []
    absent = [one.name for one in lists if not is_file(one) or not is_inside(one, project.context)]
    for name in absent:
        text = f"{name}, which holds the dependencies, is not in the build context: what it installs is not judged"
        findings.append(found(PinRule.UNREADABLE, file, line, text, REPAIR))
    return findings, [one for one in lists if one.name not in absent]


def _setup_cfg(project: Project, text: str, file: str) -> list[PinFinding]:
    """`install_requires`; ValueError where the file is none."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError("it is not what setuptools reads") from error
    if not project.wanted.depends:
        return []
    listed = parser.get("options", "install_requires", fallback="")
    for extra in project.wanted.extras:
        listed += "\n" + parser.get("options.extras_require", extra, fallback="")
    if not listed.strip() and is_file(project.folder / "setup.py"):
        return [_program(_beside(file, "setup.py"), 1, "setup.py")]
    if listed.strip().startswith(("file:", "attr:")):
        return [_program(file, 1, "a directive of setup.cfg")]
    said, lines, out = Said(no_index=project.wanted.no_index), text.splitlines(), list[PinFinding]()
    for one in (line.strip() for line in listed.splitlines() if line.strip()):
        number = next((n for n, line in enumerate(lines, start=1) if one in line), 1)
        asked = [read_requirement(one)]
        out += findings_about(asked, said, file=file, line=number, pinned=project.wanted.pinned)
    return told_once(out)


def _program(file: str, line: int, what: str) -> PinFinding:
    text = f"the dependencies are dynamic: {what} decides them during the build, so they are not judged"
    return found(PinRule.UNREADABLE, file, line, text, REPAIR)


def _beside(file: str, name: str) -> str:
    head, slash, _ = file.rpartition("/")
    return f"{head}{slash}{name}"


def wanted_of(said: Said, extras: Sequence[str], pinned: frozenset[str]) -> Wanted:
    """What the words of an installer take of a project."""
    return Wanted(
        depends=not said.no_deps,
        builds=not said.no_build_isolation,
        extras=frozenset(extras),
        pinned=pinned,
        no_index=said.no_index,
    )

"""Where a command of a Dockerfile stands: the folder it runs in, what lies there, and what is found so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.anatomy import PinFinding
from bench.images.pins.build_context import PROJECT_FILES, BuildContext, Laid, LeavesContext, absolute
from bench.images.pins.grade import found
from bench.images.pins.made_lists import MadeList, MadeLists
from bench.images.pins.pip_words import read_words
from bench.images.pins.projects import Project
from bench.images.pins.pyproject import Wanted
from bench.images.pins.requirements_file import lint_lines, not_judged, pinned_names
from bench.vocabulary import PinRule

LISTS = {".txt", ".in", ".lock", ".pip", ".yml", ".yaml", ".toml", ""}  # no other file is opened because it is named
LOCK_REPAIR = "commit the lock, copy it into the image and install by it"


@dataclass(slots=True, kw_only=True)
class Installed:
    """What the commands of a file ask for."""

    findings: list[PinFinding] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)  # lists and locks that are read
    projects: list[Project] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Site:
    """One RUN, command after command."""

    file: str
    context: BuildContext
    laid: Sequence[Laid]
    made: MadeLists
    installed: Installed
    cwd: str = "/"
    moved: bool = False  # whether a `cd` of the same RUN leads elsewhere
    following: set[int] = field(default_factory=set)  # lists that the Dockerfile writes, while they are read
    cloned: bool = False  # whether what lies here may come from a repository or an archive

    def tell(self, rule: PinRule, line: int, text: str, repair: str) -> None:
        """One more finding, at its full weight."""
        self.installed.findings.append(found(rule, self.file, line, text, repair))

    def list_of(self, name: str, line: int, *, hashes_required: bool, pinned: Collection[str] = ()) -> None:
        """A requirements file: read where it lies in the context, or where the Dockerfile itself writes it."""
        if "://" in name:
            return  # `requirement` tells it
        made = self.made.find(absolute(self.cwd, name))
        if made is not None:
            self._made(made, name, line, hashes_required=hashes_required, pinned=pinned)
        try:
            path = self._file(name) if Path(name).suffix in LISTS else None
        except LeavesContext as error:
            why = f"is not read, since {error}"
            self.installed.findings.append(not_judged(name, why, self.file, line, costs=not hashes_required))
            return
        if path is not None:
            self.installed.files.append(path)
        elif made is None:
            why = "is not in the build context"
            self.installed.findings.append(not_judged(name, why, self.file, line, costs=not hashes_required))

    def _made(self, made: MadeList, name: str, line: int, *, hashes_required: bool, pinned: Collection[str]) -> None:
        if id(made) in self.following:
            return  # a list that names itself
        self.following.add(id(made))
        lines = [*made.words()]
        required = hashes_required or any("--require-hashes" in words for _, words in lines)
        self.installed.findings += lint_lines(lines, self.file, hashes_required=required, pinned=pinned)
        for place, words in lines:
            for other in read_words(words).requirement_files:
                self.list_of(other, place, hashes_required=required, pinned=pinned)
        if made.unknown and not required:
            why = "is made by a command of the build"
            self.installed.findings.append(not_judged(name, why, self.file, line))
        if made.resolved and not required:
            text = f"{name[:120]} is resolved during the build: the newest versions of that day"
            self.tell(PinRule.PIP_NOT_PINNED, line, text, "make the list once, and keep it in version control")
        self.following.discard(id(made))

    def pinned_by(self, names: Sequence[str]) -> frozenset[str]:
        """What these constraints files give one exact version."""
        out = frozenset[str]()
        for name in names:
            made = self.made.find(absolute(self.cwd, name))
            try:
                path = self._file(name)
            except LeavesContext:  # it pins nothing then, and the finding on its user says so
                path = None
            out |= pinned_names(path) if path is not None else frozenset()
            out |= pinned_names([*made.words()]) if made is not None else frozenset()
        return out

    def _file(self, name: str) -> Path | None:
        return self.context.file(name, absolute(self.cwd, name), self.laid)

    def project(self, folder: str, wanted: Wanted) -> str:
        """A project of the context that is installed from its folder; why not, where it is not judged."""
        try:
            path = self.folder_of(folder, PROJECT_FILES)
        except LeavesContext as error:
            return f"{folder[:120]} is not read, since {error}"
        if path is not None:
            self.installed.projects.append(Project(folder=path, context=self.context.folder, wanted=wanted))
        elif wanted.depends:
            return f"{folder[:120]} is no folder of the build context with a pyproject.toml"
        return ""

    def folder_of(self, folder: str, wanted: Sequence[str]) -> Path | None:
        """The folder of the context, by its path from here."""
        inside = absolute(self.cwd, folder)
        root = (
            not self.cloned
            and not self.moved
            and PurePosixPath(folder) in (PurePosixPath("."), PurePosixPath(self.cwd))
        )
        return self.context.project(inside, self.laid, wanted, root=root)

    def no_project(self, line: int, reasons: Sequence[str]) -> None:
        """What is installed of folders that could not be judged, in one finding."""
        if reasons:
            text = f"{'; '.join(reasons)}: what is installed with it is not judged"
            repair = "install its dependencies before it from a list with --require-hashes, then it with --no-deps"
            self.tell(PinRule.UNREADABLE, line, text, repair)

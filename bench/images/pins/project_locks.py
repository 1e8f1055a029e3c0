"""Projects that are installed by their lock: `uv sync`, `poetry install`, `pdm install`, `pipenv install`.

With the lock in the build context the lock is judged. Without one the newest versions that fit are chosen at each
build; where the command takes nothing but a lock (`--locked`), that is told and costs nothing: all of these tools keep
hashes in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.images.pins.build_context import LeavesContext
from bench.images.pins.grade import told
from bench.images.pins.installers import Call
from bench.images.pins.pip_words import read_words
from bench.images.pins.projects import Project
from bench.images.pins.pyproject import Wanted
from bench.images.pins.readable import is_file
from bench.images.pins.requirement import requirement_findings
from bench.images.pins.site import Site
from bench.vocabulary import PinRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Locker:
    """One tool."""

    lock: str
    project: str = "pyproject.toml"
    verbs: frozenset[str]  # that install by the lock, or write a list from it
    adds: frozenset[str] = frozenset()  # that install what they name
    held: frozenset[str] = frozenset()  # options and verbs that take nothing but the lock
    settings: tuple[str, ...] = ()  # variables that do the same
    moves: frozenset[str] = frozenset()  # options and verbs that choose anew
    builds: bool = False  # the project too, with what its [build-system] asks for


LOCKS: Mapping[str, Locker] = {
    "uv": Locker(
        lock="uv.lock",
        verbs=frozenset({"sync", "export", "run"}),
        held=frozenset({"--locked", "--frozen"}),
        settings=("UV_LOCKED", "UV_FROZEN"),
        moves=frozenset({"--upgrade", "-U"}),
        builds=True,
    ),
    "poetry": Locker(
        lock="poetry.lock",
        verbs=frozenset({"install", "sync", "export"}),
        adds=frozenset({"add"}),
        moves=frozenset({"update"}),
    ),
    "pdm": Locker(
        lock="pdm.lock",
        verbs=frozenset({"install", "sync", "export"}),
        adds=frozenset({"add"}),
        held=frozenset({"--frozen-lockfile", "sync"}),
        moves=frozenset({"update"}),
        builds=True,
    ),
    "pipenv": Locker(
        lock="Pipfile.lock",
        project="Pipfile",
        verbs=frozenset({"install", "sync", "requirements"}),
        adds=frozenset({"install"}),
        held=frozenset({"--deploy", "--ignore-pipfile", "sync"}),
        moves=frozenset({"update", "upgrade"}),
    ),
}
NO_PROJECT = {"--no-project", "--no-sync", "--isolated", "--script", "-s"}
FOLDERS = {"--project", "--directory", "-C", "-P"}


def locked_findings(call: Call, site: Site) -> None:
    """Of one call; `uv pip` and the like are no business of a lock."""
    tool, line = LOCKS[call.manager], call.command.line
    words = _own_words(call)
    if call.verb in tool.adds and call.manager != "uv":
        named = [word for word in words if not word.startswith("-")]
        site.installed.findings += requirement_findings(named, file=site.file, line=line)
        if named:
            return
    said = {call.verb, *words}
    if call.verb in tool.moves or (call.verb in tool.verbs and said & tool.moves):
        text = f"{call.manager} {call.verb} chooses the newest versions that fit, whatever {tool.lock} says"
        site.tell(PinRule.PIP_NOT_PINNED, line, text, f"make {tool.lock} once, keep it, and install by it")
    elif call.verb in tool.verbs and not (call.verb == "run" and said & NO_PROJECT):
        _by_lock(call, tool, words, site, held=bool(said & tool.held) or call.truthy(*tool.settings))


def _by_lock(call: Call, tool: Locker, words: Collection[str], site: Site, *, held: bool) -> None:
    folder, line = _folder(call), call.command.line
    what = f"{call.manager} {call.verb}"
    try:
        project = site.folder_of(folder, (tool.project, tool.lock))
        lock = _lock_in(project, tool.lock, site)
    except LeavesContext as error:
        site.tell(PinRule.UNREADABLE, line, f"{what}: not judged, since {error}", "copy the file into the context")
        return
    if lock is not None:
        site.installed.files.append(lock)
    elif call.verb == "run" and project is None:
        return  # a program that needs no project
    elif held:
        text = f"{what} takes nothing but {tool.lock}, which is not in the build context: it is not judged"
        repair = f"lint it too: nimbench image lint {site.file} PATH/{tool.lock}"
        site.installed.findings.append(told(PinRule.UNREADABLE, site.file, line, text, repair))
    else:
        text = f"{what} without {tool.lock} in the build context: the newest versions that fit, others at each build"
        repair = f"make {tool.lock} once, keep it in version control, and copy it into the image before this"
        site.tell(PinRule.PIP_NOT_PINNED, line, text, repair)
    alone = "--no-install-project" in words or "--no-install-workspace" in words or call.verb == "export"
    if tool.builds and project is not None and is_file(project / "pyproject.toml") and not alone:
        wanted = Wanted(depends=False, builds=True)
        site.installed.projects.append(Project(folder=project, context=site.context.folder, wanted=wanted))


def _lock_in(project: Path | None, name: str, site: Site) -> Path | None:
    if project is not None and is_file(project / name):
        return site.context.checked(project / name)
    return next((path for path in site.context.named if path.name == name), None)


def _own_words(call: Call) -> tuple[str, ...]:
    """Of `uv run --with x program …` what stands before the program."""
    if call.verb != "run":
        return call.words
    said = read_words(call.words)
    first = said.requirements[0] if said.requirements else None
    return call.words[: call.words.index(first)] if first in call.words else call.words


def _folder(call: Call) -> str:
    for at, word in enumerate(call.words):
        option, equals, value = word.partition("=")
        if option in FOLDERS and (equals or at + 1 < len(call.words)):
            return value if equals else call.words[at + 1]
    return "."

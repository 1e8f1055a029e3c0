"""Finds a scenario and reads it: file, mode, --set, checks, nouns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bench
from bench.errors import InputError
from bench.model import Scenario
from bench.scenario.contradictions import find_contradictions
from bench.scenario.explain import validate
from bench.scenario.lock import lock_path, read_lock, with_lock
from bench.scenario.nouns import to_scenario
from bench.scenario.problems import as_error, did_you_mean
from bench.scenario.resolve import apply_mode, apply_sets
from bench.scenario.source import read_document, shown_path

FILE_NAME = "scenario.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A scenario folder; `summary` is None and `problem` says why when its file cannot be read."""

    name: str
    folder: str
    summary: str | None
    problem: str | None = None


def load_scenario(
    name_or_path: str, *, mode: str | None = None, sets: Sequence[str] = (), use_lock: bool = True
) -> Scenario:
    """The scenario of that name (a folder under scenarios/) or at that path, with every default and tag resolved."""
    path = locate(name_or_path)
    document = apply_sets(apply_mode(read_document(path), mode), sets)
    shape, problems = validate(document.data)
    problems = [*document.problems, *problems]
    if shape is not None:
        problems += find_contradictions(shape, path.parent)
    if shape is None or problems:
        raise as_error([(document.place(problem.key), problem) for problem in problems], document.file)
    scenario = to_scenario(shape, _name(path), path.parent.resolve())
    return with_lock(scenario, read_lock(lock_path(path))) if use_lock else scenario


def find_lock(name_or_path: str) -> Path:
    """Where the lock of that scenario is, or would be."""
    return lock_path(locate(name_or_path))


def find_scenarios() -> list[Found]:
    """Every scenario under ./scenarios and beside this package, by name; the nearer one wins."""
    found: dict[str, Found] = {}
    for root in _roots():
        for path in sorted(root.glob(f"*/{FILE_NAME}")):
            found.setdefault(path.parent.name, _glance(path))
    return [found[name] for name in sorted(found)]


def _glance(path: Path) -> Found:
    """The summary alone: a scenario with problems is listed too."""
    name, folder = path.parent.name, str(path.parent.resolve())
    try:
        summary = read_document(path).data.get("summary")
    except InputError as error:
        return Found(name=name, folder=folder, summary=None, problem=str(error).splitlines()[0])
    if not isinstance(summary, str):
        return Found(name=name, folder=folder, summary=None, problem="it has no summary")
    return Found(name=name, folder=folder, summary=summary)


def _roots() -> list[Path]:
    candidates = [Path.cwd() / "scenarios", Path(bench.__file__).resolve().parents[1] / "scenarios"]
    return [root for root in dict.fromkeys(candidates) if root.is_dir()]


def locate(name_or_path: str) -> Path:
    """The YAML file meant: a name comes before a folder of the same name."""
    path = Path(name_or_path)
    is_path = len(path.parts) != 1 or path.suffix in (".yaml", ".yml")
    places = [] if is_path else [root / name_or_path / FILE_NAME for root in _roots()]
    places.append(path / FILE_NAME if path.is_dir() else path)
    for place in places:
        if place.is_file():
            return place
    if is_path:
        file = path / FILE_NAME if path.is_dir() else path
        problem, known = f"no such scenario: {shown_path(file)}", "the path of a scenario's folder or YAML file"
        raise InputError(problem, expected=known, got=name_or_path, repair="`nimbench list` shows the scenarios")
    names = [found.name for found in find_scenarios()]
    near = did_you_mean(name_or_path, names)
    repair = f"{near} `nimbench list` shows the scenarios" if near else "`nimbench list` shows the scenarios"
    known = f"one of {', '.join(names)}, or a path" if names else "a path: there is no folder scenarios/ here"
    raise InputError(f"no scenario {name_or_path!r}", expected=known, got=name_or_path, repair=repair)


def _name(path: Path) -> str:
    path = path.resolve()
    return path.parent.name if path.name == FILE_NAME else path.stem

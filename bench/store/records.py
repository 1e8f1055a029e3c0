"""run.json and launch.json as text: the frozen nouns there and back, with the history of the format."""

# History of run_schema. A program reads its own number and every lower one; fields it does not know are ignored.
# 1  first version

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench import __version__
from bench.container import Build
from bench.errors import InputError
from bench.model import Scenario
from bench.record import Launch, Run
from bench.secrets import Redactor

RUN_SCHEMA = 1

T = TypeVar("T")
_RUN = TypeAdapter(Run)
_LAUNCH = TypeAdapter(Launch)
_SCENARIO = TypeAdapter(Scenario)


def run_text(run: Run, redactor: Redactor) -> str:
    """run.json."""
    stored = dataclasses.replace(run, scenario=portable(run.scenario))
    return _text(_RUN.dump_python(stored, mode="json"), redactor)


def launch_text(launch: Launch, redactor: Redactor) -> str:
    """launch.json."""
    return _text(_LAUNCH.dump_python(launch, mode="json"), redactor)


def document_text(document: Any, redactor: Redactor) -> str:
    """Any other record of a run folder, from its plain form."""
    return _text(document, redactor)


def redactor_of(scenario: Scenario) -> Redactor:
    """Knows what the scenario itself says of secrets, and those of this process that it names whatever their names."""
    named = {
        name
        for arm in scenario.arms
        for name in (*arm.secrets.prepare_required, *arm.secrets.prepare_optional, *arm.secrets.run)
    } | {name for arm in scenario.arms if arm.build for name in arm.build.secrets}
    values = {f"{name}_SECRET": os.environ[name] for name in named if name in os.environ}
    builds = (arm.build.args for arm in scenario.arms if arm.build)
    return Redactor.knowing(*(arm.env for arm in scenario.arms), *builds, values)


def scenario_document(scenario: Scenario, redactor: Redactor) -> dict[str, Any]:
    """A scenario as run.json holds it, to lay beside another one."""
    document: dict[str, Any] = _clean(_SCENARIO.dump_python(portable(scenario), mode="json"), redactor)
    return document


def portable(scenario: Scenario) -> Scenario:
    """Without the paths of the measuring host: the folder by its name, files in it relative to it."""
    folder = Path(scenario.folder)

    def relative(path: str | None) -> str | None:
        inside = path is not None and folder.is_absolute() and Path(path).is_relative_to(folder)
        return str(Path(path).relative_to(folder)) if path is not None and inside else path

    arms = tuple(
        dataclasses.replace(arm, packages=relative(arm.packages), build=_portable_build(arm.build, folder))
        for arm in scenario.arms
    )
    return dataclasses.replace(scenario, folder=folder.name, arms=arms)


def _portable_build(build: Build | None, folder: Path) -> Build | None:
    """Contexts and lock files may lie beside the scenario's folder: relative to its parent they say where."""
    if build is None or not folder.is_absolute():
        return build

    def relative(path: str | None) -> str | None:
        inside = path is not None and Path(path).is_relative_to(folder.parent)
        return str(Path(path).relative_to(folder.parent)) if path is not None and inside else path

    context = relative(build.context) or build.context
    return dataclasses.replace(build, context=context, wheelhouse=relative(build.wheelhouse))


def parse_run(text: str, *, where: str) -> Run:
    """The run of a run.json; InputError when it is damaged or newer than this program."""
    document = _document(text, where=where)
    schema = document.get("run_schema")
    if not isinstance(schema, int) or schema < 1:
        raise InputError("not a run.json", where=where, expected="run_schema: a whole number from 1", got=repr(schema))
    if schema > RUN_SCHEMA:
        raise InputError(
            f"run_schema {schema} is newer than this program",
            where=where,
            expected=f"up to {RUN_SCHEMA} (nimbench {__version__})",
            got=f"{schema} (written by nimbench {document.get('nimbench_version', 'of unknown version')})",
            repair="read it with the nimbench that wrote it, or a newer one",
        )
    return _validated(_RUN, document, where=where)


def parse_launch(text: str, *, where: str) -> Launch:
    """The launch of a launch.json; InputError when it is damaged."""
    return _validated(_LAUNCH, _document(text, where=where), where=where)


def parse_document(adapter: TypeAdapter[T], text: str, *, where: str) -> T:
    """Any other record of a run folder; InputError when it is damaged."""
    return _validated(adapter, _document(text, where=where), where=where)


def _document(text: str, *, where: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError("damaged JSON", where=where, got=str(error)) from error
    if not isinstance(document, dict):
        raise InputError("damaged JSON", where=where, expected="an object", got=type(document).__name__)
    return document


def _validated(adapter: TypeAdapter[T], document: Mapping[str, Any], *, where: str) -> T:
    try:
        return adapter.validate_json(json.dumps(document))  # from JSON: lists become tuples, words become vocabulary
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        writer = document.get("nimbench_version", "of unknown version")
        raise InputError(
            "not a record that this program knows",
            where=where,
            expected=f"{key}: {first['msg']}",
            got=repr(first["input"])[:200],
            repair=f"written by nimbench {writer}, read by {__version__}: read it with the nimbench that wrote it",
        ) from error


def _text(document: Any, redactor: Redactor) -> str:
    return json.dumps(_clean(document, redactor), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _clean(value: Any, redactor: Redactor) -> Any:
    """Redacted before JSON escapes anything, so that a secret with a quote in it is found too."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no NaN; None means not known
    if isinstance(value, dict):
        pairs = ((redactor.text(str(name)), name, inner) for name, inner in value.items())
        return {
            clean: redactor.env(inner) if name == "env" and _is_env(inner) else _clean(inner, redactor)
            for clean, name, inner in pairs
        }
    return [_clean(inner, redactor) for inner in value] if isinstance(value, list | tuple) else value


def _is_env(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())

"""Turns what pydantic found into problems that a person can act on."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.scenario.problems import Key, Problem, did_you_mean, shown
from bench.scenario.shape import ScenarioShape

_OPEN_LOOP = Problem(
    key=(),
    text="open-loop stages are not supported yet: the load driver keeps a fixed number of streams",
    expected="concurrency: a number of streams",
    repair="replace `rate` by `concurrency`",
)
_FORMS = {
    r"^[a-z][a-z0-9_-]{0,30}$": "a name of small letters, digits, - and _",
    r"^[a-z][a-z0-9_]{0,30}$": "a name of small letters, digits and _",
    r"^[a-z0-9][a-z0-9_.-]{0,30}$": "a name of small letters, digits, -, _ and .",
    r"^https?://[^\s/]+/?$": "http://host:port without a path",
}


def validate(data: dict[str, Any]) -> tuple[ScenarioShape | None, list[Problem]]:
    """The checked shape and every problem; unknown keys alone still leave a shape, so that more can be checked."""
    try:
        return ScenarioShape.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    open_loop = {detail["loc"][:-1] for detail in details if _is_open_loop(detail["loc"])}
    told = [d for d in details if not (d["type"] == "missing" and d["loc"][:-1] in open_loop)]  # `rate` says it all
    problems = [_problem(detail) for detail in told]
    if any(detail["type"] != "extra_forbidden" for detail in details):
        return None, problems
    for detail in details:
        _drop(data, detail["loc"])
    return ScenarioShape.model_validate(data), problems


def known_keys(key: Key) -> tuple[str, ...]:
    """The keys that may stand in the mapping at `key`."""
    schema, node = _schema_at(key)
    return tuple(_plain(node, schema).get("properties", ()))


@functools.cache
def _schema() -> dict[str, Any]:
    return ScenarioShape.model_json_schema()


def _schema_at(key: Key) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The whole JSON Schema, and the part of it that describes `key`."""
    schema = _schema()
    node: Mapping[str, Any] = schema
    for part in key:
        node = _plain(node, schema)
        named = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        node = named or _values(node)
    return schema, node


def _plain(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` with its $ref followed and its `or null` left out."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _plain(choice, schema)
    if "$ref" in node:
        definition: Mapping[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return _plain(definition, schema)
    return node


def _values(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a mapping with free names holds; pydantic writes it in one of two ways."""
    choices = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    return next((choice for choice in choices if isinstance(choice, dict)), {})


def _drop(data: Any, loc: Sequence[str | int]) -> None:
    for part in loc[:-1]:
        data = data[part]
    data.pop(loc[-1], None)


def _problem(detail: ErrorDetails) -> Problem:
    loc, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    is_name = bool(loc) and loc[-1] == "[key]"
    key = loc[:-1] if is_name else loc
    got = shown(detail["input"])
    if kind == "extra_forbidden":
        return _unknown_key(key, got)
    if kind == "missing":
        return Problem(key=key, text="missing key", expected=_meaning(key), repair=f"add `{key[-1]}:`")
    if kind == "nimbench":
        text, repair = str(context["problem"]), context["repair"]
        return Problem(key=key, text=text, expected=context["expected"], got=got, repair=repair)
    if kind in ("enum", "literal_error"):
        expected = str(context["expected"])
        words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
        repair = did_you_mean(got, words) or "choose one of these"
        return Problem(key=key, text="unknown word", expected="one of " + ", ".join(words), got=got, repair=repair)
    expected = _FORMS.get(str(context.get("pattern")), "")
    if not expected:
        message = detail["msg"].replace("Input should be ", "")
        expected = message[:1].lower() + message[1:]
    text = "wrong name" if is_name else "wrong value"
    return Problem(key=key, text=text, expected=expected, got=got, repair="change the value")


def _is_open_loop(key: Key) -> bool:
    return "stages" in key and key[-1] in ("rate", "rate_per_s", "arrivals")


def _unknown_key(key: Key, got: str) -> Problem:
    name = str(key[-1])
    if _is_open_loop(key):
        return Problem(key=key, text=_OPEN_LOOP.text, expected=_OPEN_LOOP.expected, got=got, repair=_OPEN_LOOP.repair)
    known = known_keys(key[:-1])
    repair = did_you_mean(name, known) or "remove the key"
    return Problem(key=key, text="unknown key", expected="one of " + ", ".join(known), got=name, repair=repair)


def _meaning(key: Key) -> str | None:
    """The one line on a key that the shape itself carries."""
    schema, node = _schema_at(key)
    text = node.get("description") or _plain(node, schema).get("description")
    return str(text) if text else None

"""Lays the layers over each other: preset, scenario, mode, --set. The last one wins; each value keeps its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from bench.errors import InputError
from bench.scenario.modes import DEFAULT_MODE, MODE_KEYS, PRESETS
from bench.scenario.problems import Key, did_you_mean
from bench.scenario.source import Document, parse_value, relabelled

# Noun fields whose unit is in the name; the file's key has it in the value instead.
_SECONDS_KEYS = frozenset(
    {
        *("duration_s", "warmup_s", "ramp_s", "timeout_s", "ready_timeout_s", "cooldown_s", "telemetry_interval_s"),
        "gpu_idle_s",
    }
)


def apply_mode(document: Document, mode: str | None) -> Document:
    """Fill in from a preset. In the scenario's own mode its keys win; another mode replaces what a mode decides."""
    if mode is not None and mode not in PRESETS:
        raise InputError(
            f"unknown mode {mode!r}",
            where="--mode",
            expected="one of " + ", ".join(PRESETS),
            got=mode,
            repair=did_you_mean(mode, PRESETS) or "choose one of these",
        )
    own = _part(document.data, "launches").get("mode", DEFAULT_MODE)
    chosen = mode or (own if isinstance(own, str) and own in PRESETS else DEFAULT_MODE)
    special = _part(_part(document.data, "modes"), chosen)
    is_other = mode is not None and mode != own
    below, above = ({}, special) if is_other else (special, {})
    data = _without_mode_keys(document.data) if is_other else document.data
    merged = _over(_over(_over(PRESETS[chosen], below), data), above)
    if isinstance(merged.get("launches"), dict) and mode is not None:
        merged["launches"]["mode"] = chosen
    used = ("modes", chosen)
    moved = {key[2:]: place for key, place in document.places.items() if key[:2] == used and len(key) > 2}
    places = {**document.places, **moved} if is_other else {**moved, **document.places}
    return replace(document, data=merged, places=places)


def apply_sets(document: Document, sets: Sequence[str]) -> Document:
    """Put each `key=value` in its place; the value is read as YAML."""
    for text in sets:
        document = _set(document, text)
    return document


def _set(document: Document, text: str) -> Document:
    where = f"--set {text}"
    name, equals, value_text = text.partition("=")
    if not equals or not all(name.split(".")):
        raise InputError("not a key=value", where=where, expected="e.g. load.stages.0.duration=5s", got=text)
    if name == "launches.mode":
        raise InputError("the mode is chosen with its own option", where=where, repair=f"use --mode {value_text}")
    if name.partition(".")[0] == "modes":
        raise InputError("--set comes after the modes", where=where, repair="set the key itself, e.g. load.duration=5s")
    value = parse_value(value_text, where)
    *parents, last = name.split(".")
    if last in _SECONDS_KEYS:
        last, value = last.removesuffix("_s"), f"{value_text}s"
    data = deepcopy(document.data)
    target: Any = data
    key: Key = ()
    for part in parents:
        is_new = isinstance(target, dict) and target.get(part) is None
        target, step = _into(target, part, where)
        key = (*key, step)
        places = {**document.places, key: where} if is_new else document.places
        document = replace(document, places=places)
    step = _place(target, last, value, where)
    return relabelled(replace(document, data=data), (*key, step), where)


def _into(target: Any, part: str, where: str) -> tuple[Any, str | int]:
    if isinstance(target, list):
        index = _index(target, part, where)
        return target[index], index
    if not isinstance(target, dict):
        raise InputError(f"{part!r} is not inside a mapping or a list", where=where, repair="check the dotted key")
    if target.get(part) is None:
        target[part] = {}
    return target[part], part


def _place(target: Any, last: str, value: Any, where: str) -> str | int:
    if isinstance(target, list):
        index = _index(target, last, where)
        target[index] = value
        return index
    if not isinstance(target, dict):
        raise InputError(f"{last!r} is not inside a mapping or a list", where=where, repair="check the dotted key")
    target[last] = value
    return last


def _index(items: list[Any], part: str, where: str) -> int:
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    raise InputError(
        f"no item {part!r} in this list", where=where, expected=f"a number from 0 to {len(items) - 1}", got=part
    )


def _part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else {}


def _without_mode_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = deepcopy(dict(data))
    for part, names in MODE_KEYS.items():
        for name in names:
            _part(kept, part).pop(name, None)
    stages = _part(kept, "load").get("stages")
    for stage in stages if isinstance(stages, list) else []:
        if isinstance(stage, dict):
            stage.pop("duration", None)
    return kept


def _over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge, everything else is replaced; a key without a value leaves what was there."""
    merged: dict[str, Any] = deepcopy(dict(base))
    for name, value in top.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _over(old, value)
        elif value is not None or old is None:
            merged[name] = deepcopy(value)
    return merged

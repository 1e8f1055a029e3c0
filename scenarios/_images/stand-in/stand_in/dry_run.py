"""What `nim-serve --dry-run` prints: the profile, every setting with its source, and the engine's command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from stand_in.engines import Engine
from stand_in.profiles import Profile


def report(
    engine: Engine, profile: Profile, settings: Mapping[str, Mapping[str, Any]], place: str, arguments: list[str]
) -> Iterator[str]:
    """Line by line, under the headings of NIM 2.0."""
    yield f"Selected profile: {profile.id}"
    yield ""
    yield from _heading("Resolved Configuration (JSON)")
    named = {name.replace("-", "_"): _typed(setting) for name, setting in sorted(settings.items())}
    yield json.dumps({"event": "nim_config_resolved", "config": named}, indent=2)
    yield ""
    yield from _heading("Backend Arguments")
    model = (place,) if engine.shown_as[-1] == "serve" else (engine.model_flag, place)
    yield "  " + " \\\n    ".join([shlex.join((*engine.shown_as, *model)), *_pairs(arguments)])
    yield ""


def _typed(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as numbers, and a flag without a value as true; what it overrides likewise."""
    value = setting["value"]
    typed = True if value is None else int(value) if value.isdigit() else value
    previous = {"previous": _typed(setting["previous"])} if "previous" in setting else {}
    return {"value": typed, "source": setting["source"], **previous}


def _heading(text: str) -> Iterator[str]:
    yield text
    yield "-" * len(text)


def _pairs(arguments: list[str]) -> Iterator[str]:
    """A flag and its value on one line."""
    rest = list(arguments)
    while rest:
        words = [rest.pop(0)]
        while rest and not rest[0].startswith("--"):
            words.append(rest.pop(0))
        yield shlex.join(words)

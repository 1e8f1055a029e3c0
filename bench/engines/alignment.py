"""The engine's own argument list out of `nim-serve --dry-run`, and the custom arm's arguments out of that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.engines.facts import bare_lines
from bench.engines.flags import grouped, is_flag, split
from bench.engines.nim_facts import resolved_config
from bench.errors import ArmError
from bench.vocabulary import FailureKind

_SECTION = re.compile(r"^\s*Backend Arguments\s*\n\s*-+\s*\n(?P<body>.*?)(?:\n[^\S\n]*\n|\Z)", re.M | re.S)
_COMMAND = re.compile(r"^.*?\b(?P<body>vllm serve (?:.*\\\n)*.*)$", re.M)
_PROFILE = re.compile(r"Selected profile:\s*([0-9a-f]{64})")
MODEL_FLAGS = ("--model", "--model-path")
# Of the server behind nginx, not of the engine: the custom arm gets its own from the plan.
PLACE_FLAGS = ("--host", "--port", "--uds")
NIM_MODULE = "nim_llm."
NIM_FOLDER = "/opt/nim/"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineArgs:
    """What a NIM would start."""

    program: tuple[str, ...]  # `vllm serve`, `python3 -m sglang.launch_server`
    model: str | None  # the workspace that it makes of the profile's files
    args: tuple[str, ...]  # in its order, without the model
    profile_id: str | None = None
    resolved: Mapping[str, Any] = field(default_factory=dict)  # setting -> {value, source, ...}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One difference between the NIM's list and the custom arm's."""

    action: str  # dropped | replaced | kept
    flag: str
    before: str
    after: str | None = None
    reason: str = ""


def engine_args(dry_run_output: str, *, arm: str | None = None) -> EngineArgs:
    """The command below `Backend Arguments`, or the first that starts vLLM; ArmError where there is none."""
    text = bare_lines(dry_run_output)
    found = _SECTION.search(text) or _COMMAND.search(text)
    words = _words(found["body"]) if found else []
    if not words:
        raise ArmError(
            FailureKind.CRASHED,
            f"{f'arm {arm!r}: ' if arm else ''}`nim-serve --dry-run` printed no command of an engine",
            repair="Run it by hand and see where it stops; NIM 1.x has no dry run, so align that arm by its profile.",
            log_tail=tuple(text.strip().splitlines()[-10:]),
        )
    program = _program(words)
    rest = words[len(program) :]
    model = None
    if rest and not is_flag(rest[0]):
        model, rest = rest[0], rest[1:]
    groups = list(grouped(rest))
    for group in [one for one in groups if one[0] in MODEL_FLAGS and len(one) > 1]:
        model = model or group[1]
        groups.remove(group)
    profile = _PROFILE.search(text)
    return EngineArgs(
        program=program,
        model=model,
        args=tuple(word for group in groups for word in group),
        profile_id=profile[1] if profile else None,
        resolved=resolved_config(text),
    )


def aligned_args(args: EngineArgs, *, model_path: str | None) -> tuple[tuple[str, ...], tuple[Edit, ...]]:
    """The custom arm's arguments in the NIM's order, and every edit. The model's own path is left to its engine."""
    kept: list[str] = []
    edits: list[Edit] = []
    if args.model and model_path:
        reason = "the NIM's workspace links to the profile's files; the custom arm reads the one copy of the weights"
        edits.append(Edit(action="replaced", flag="model", before=args.model, after=model_path, reason=reason))
    for group in grouped(list(args.args)):
        words, edit = _aligned(group, args.model, model_path)
        kept += words
        edits += [edit] if edit else []
    return tuple(kept), tuple(edits)


def _aligned(group: list[str], model: str | None, model_path: str | None) -> tuple[list[str], Edit | None]:
    flag, values = split(group)
    value = " ".join(values)
    if flag in PLACE_FLAGS:
        return [], Edit(action="dropped", flag=flag, before=value, reason="where it listens comes from the plan")
    if flag == "--middleware" and value.startswith(NIM_MODULE):
        return [], Edit(action="dropped", flag=flag, before=value, reason="a module of the NIM's own server layer")
    if model and model_path and value.startswith(model):
        after = [word.replace(model, model_path) for word in group]
        reason = "the same file in the one copy of the weights"
        return after, Edit(action="replaced", flag=flag, before=value, after=split(after)[1][0], reason=reason)
    if any(word.startswith((NIM_FOLDER, NIM_MODULE)) for word in values):
        return group, Edit(
            action="kept",
            flag=flag,
            before=value,
            after=value,
            reason="it names something of the NIM's image, which the custom image has to hold too",
        )
    return group, None


def _words(body: str) -> list[str]:
    try:
        return shlex.split(re.sub(r"\\\s*\n", " ", body))
    except ValueError:
        return []


def _program(words: list[str]) -> tuple[str, ...]:
    if words[0].rpartition("/")[2].startswith("python") and "-m" in words[:3]:
        return tuple(words[: words.index("-m") + 2])
    return tuple(words[:2]) if words[1:2] == ["serve"] else tuple(words[:1])

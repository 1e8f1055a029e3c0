"""The stages of a Dockerfile: which one builds on which, and what every variable is where it is used."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.images.pins.dockerfile import Instruction
from bench.images.pins.shell import Command, commands, settings_of
from bench.images.pins.shell_words import CONDA, SHELLS, program_name, script_at, unwrap
from bench.images.pins.source import Source
from bench.images.pins.variables import MOST_VALUE, fill

PAIR = re.compile(r"""([A-Za-z_][A-Za-z0-9_.-]*)=((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])*)""", re.DOTALL)
MOST_KNOWN = 500  # variables at one time


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of a stage with the variables that it sees."""

    instruction: Instruction
    known: Mapping[str, str]
    shell: str = "sh"
    workdir: str = "/"

    def commands(self) -> list[Command]:
        """What a RUN runs; nothing for a shell that is not a POSIX one."""
        run = self.instruction
        if run.word != "RUN":
            return []
        if run.json is not None:
            return _of_words(run.json, run.args, self.known)
        script = self._script()
        return self._of_python() if script is None else commands(script, self.known)

    def _of_python(self) -> list[Command]:
        """A here-document that begins with `#!…python`: the program as Python's input."""
        body = self.instruction.heredocs[0].body if self.instruction.heredocs else Source("")
        first = body.text.partition("\n")[0]
        name = program_name(unwrapped(first[2:].split())) if first.startswith("#!") else ""
        if not name.startswith("python") or self.shell not in SHELLS:
            return []
        line = self.instruction.line
        return [Command(words=(name,), line=line, stdin=body.text, settings=settings_of(self.known))]

    def _script(self) -> Source | None:
        run = self.instruction
        if self.shell not in SHELLS:
            return None
        bodies = [heredoc.body for heredoc in run.heredocs]
        if len(bodies) == 1 and re.fullmatch(r"\d*<<-?\S+\s*", run.args.text):
            first = bodies[0].text.partition("\n")[0]
            if first.startswith("#!") and program_name(unwrapped(first[2:].split())) not in SHELLS:
                return None  # a program of another language
            return bodies[0]
        text, marks = run.args.text, list(run.args.marks)
        for heredoc in run.heredocs:  # as the shell gets it: the line, then the bodies
            text += "" if text.endswith("\n") else "\n"
            marks += [(len(text) + offset, line) for offset, line in heredoc.body.marks]
            text += heredoc.body.text + heredoc.name + "\n"
        return Source(text, tuple(marks))


def unwrapped(words: Sequence[str]) -> str:
    """The program of a `#!` line, behind env."""
    return words[unwrap(words)] if words else ""


def _of_words(words: Sequence[str], args: Source, known: Mapping[str, str]) -> list[Command]:
    """The JSON form: no shell, unless it names one."""
    if not words:
        return []
    at = unwrap(words)
    script = script_at(words[at:])
    if script is not None:
        return commands(Source(words[at + script], ((0, args.line_at(0)),)), known)
    return [Command(words=tuple(words[at:]), line=args.line_at(0), settings=settings_of(known))]


@dataclass(slots=True, kw_only=True)
class Stage:
    """From one FROM to the next."""

    index: int
    name: str | None
    line: int
    image: str  # as it is written, variables filled in where known
    parent: int | None = None  # the earlier stage that it builds on
    platform: str | None = None
    steps: list[Step] = field(default_factory=list)


def split_stages(instructions: Sequence[Instruction], build_args: Mapping[str, str]) -> list[Stage]:
    """All stages in order; instructions before the first FROM other than ARG are nobody's."""
    stages: list[Stage] = []
    outside: dict[str, str] = {}  # ARG before the first FROM
    known: dict[str, str] = {}
    scopes: list[dict[str, str]] = []  # of the finished stages
    shells: list[str] = []
    folders: list[str] = []  # WORKDIR at the end of each stage
    for instruction in instructions:
        if instruction.word == "FROM":
            stages.append(_begun(instruction, stages, outside))
            parent = stages[-1].parent
            known = dict(scopes[parent]) if parent is not None else {}
            scopes.append(known)
            shells.append(shells[parent] if parent is not None else "sh")
            folders.append(folders[parent] if parent is not None else "/")
        elif not stages:
            _declare(instruction, outside, {}, build_args)
        else:
            if instruction.word == "SHELL" and instruction.json:
                shells[-1] = _shell_of(instruction.json)
            if instruction.word == "WORKDIR":
                folders[-1] = posixpath.normpath(
                    posixpath.join(folders[-1], _unquoted(fill(instruction.args.text, known)))
                )
            stages[-1].steps.append(Step(instruction=instruction, known=known, shell=shells[-1], workdir=folders[-1]))
            if instruction.word in ("ARG", "ENV"):
                known = dict(known)  # what earlier steps see stays
                _declare(instruction, known, outside, build_args)
                scopes[-1] = known
    return stages


def _shell_of(words: Sequence[str]) -> str:
    """The program that SHELL names, behind `conda run -n env`; a script of its own starts a shell."""
    name = program_name(words[unwrap(words)].replace("\\", "/")).lower().removesuffix(".exe")
    return "sh" if name in CONDA or name.endswith(".sh") else name


def _begun(instruction: Instruction, stages: Sequence[Stage], outside: Mapping[str, str]) -> Stage:
    words = fill(instruction.args.text, outside).split()
    name = words[2].lower() if len(words) > 2 and words[1].lower() == "as" else None
    image = words[0] if words else ""
    parent = next((stage.index for stage in reversed(stages) if stage.name == image.lower()), None)
    platform = instruction.flag("platform")
    return Stage(index=len(stages), name=name, line=instruction.line, image=image, parent=parent, platform=platform)


def _declare(
    instruction: Instruction, known: dict[str, str], outside: Mapping[str, str], build_args: Mapping[str, str]
) -> None:
    """What ARG and ENV make known. What the caller gives comes before a default, and ENV before both."""
    if instruction.onbuild:
        return  # holds in the image that builds on this one
    if instruction.word == "ARG":
        given = {**outside, **build_args}
        for word in _words(instruction.args.text):
            name, equals, default = word.partition("=")
            if name in build_args or (not equals and name in given):
                _learn(known, name, given[name])
            elif equals:
                _learn(known, name, fill(_unquoted(default), known))
    elif instruction.word == "ENV":
        for name, value in env_pairs(instruction.args.text).items():
            _learn(known, name, fill(value, known))


def _learn(known: dict[str, str], name: str, value: str) -> None:
    if len(value) <= MOST_VALUE and "$" not in value and (name in known or len(known) < MOST_KNOWN):
        known[name] = value
    else:
        known.pop(name, None)


def _words(text: str) -> list[str]:
    return re.findall(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+""", text)


def env_pairs(text: str) -> dict[str, str]:
    """`A=b C="d e"`, or the older `A b c`."""
    if PAIR.match(text):
        return {match[1]: _unquoted(match[2]) for match in PAIR.finditer(text)}
    name, _, value = text.strip().partition(" ")
    return {name: value.strip()} if name and value else {}


def _unquoted(text: str) -> str:
    return re.sub(r"""(?<!\\)["']""", "", text)


def final_chain(stages: Sequence[Stage]) -> list[Stage]:
    """The stages whose layers are in the image: the last one, what it builds on, and what it copies as a whole."""
    wanted, found = [len(stages) - 1] if stages else [], list[Stage]()
    while wanted:
        stage = stages[wanted.pop()]
        if stage in found:
            continue
        found.append(stage)
        wanted += [stage.parent] if stage.parent is not None else []
        wanted += [source for source in (_whole_copy(step, stages) for step in stage.steps) if source is not None]
    return sorted(found, key=lambda stage: stage.index)


def _whole_copy(step: Step, stages: Sequence[Stage]) -> int | None:
    """The stage that `COPY --from=STAGE / …` brings with all that it holds."""
    source = step.instruction.flag("from")
    words = step.instruction.json or tuple(step.instruction.args.text.split())
    if step.instruction.word != "COPY" or source is None or len(words) < 2 or "/" not in words[:-1]:
        return None
    return stage_of(source, stages, step)


def stage_of(source: str, stages: Sequence[Stage], step: Step) -> int | None:
    """The stage that `--from=` names, by name or number; None for an image."""
    source = fill(source, step.known)
    if source.isdigit() and int(source) < len(stages):
        return int(source)
    return next((stage.index for stage in stages if stage.name == source.lower()), None)

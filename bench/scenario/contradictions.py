"""What is wrong although every key by itself is right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from pydantic_core import PydanticCustomError

from bench.metric_names import OF_IMAGE_TIMES, OF_LAUNCHES
from bench.scenario import units
from bench.scenario.container_contradictions import container_contradictions, gpu_contradictions, model_contradictions
from bench.scenario.image_contradictions import image_contradictions
from bench.scenario.problems import Key, Problem, did_you_mean
from bench.scenario.shape import ArmShape, ScenarioShape, StageShape
from bench.vocabulary import ImageAbsent, RuntimeKind

_BRACES = re.compile(r"\$\{(\w*)\}")
ENGINE = "engine"  # the name of an arm's own command
_OF_NO_ARM = "idle_power_w"


def stage_id(stage: StageShape) -> str:
    """The stage's name: `c<concurrency>` unless it has one."""
    return stage.id or f"c{stage.concurrency}"


def runtime_of(arm: ArmShape) -> RuntimeKind:
    """How the arm is started, where the scenario leaves it open."""
    if arm.runtime is not None:
        return arm.runtime
    if arm.image or arm.build:
        return RuntimeKind.DOCKER
    return RuntimeKind.ENDPOINT if arm.url else RuntimeKind.PROCESS


def template_names(arm: ArmShape) -> tuple[str, ...]:
    """The words that may stand in `${...}`."""
    ports = [f"{name}_port" for name in (ENGINE, *arm.also)]
    return (*ports, "scratch", "model_id", "model_path", "model_folder", "folder", "profile_id")


def find_contradictions(shape: ScenarioShape, folder: Path) -> list[Problem]:
    """Every contradiction within the scenario, and files that it names but that are not there."""
    checks: tuple[Callable[[ScenarioShape], Iterable[Problem]], ...]
    checks = (
        *(_arms, _stages, _primary, _lengths, _slo),
        *(model_contradictions, image_contradictions, gpu_contradictions),
    )
    problems = [problem for check in checks for problem in check(shape)]
    for name, arm in shape.arms.items():
        key = ("arms", name)
        problems += [*_start(shape, arm, key), *_commands(arm, key), *_files(arm, key, folder)]
        problems += container_contradictions(shape, arm, runtime_of(arm), key, folder)
    return problems


def _arms(shape: ScenarioShape) -> Iterator[Problem]:
    if len(shape.arms) < 2:
        got = ", ".join(shape.arms) or "none"
        yield Problem(key=("arms",), text="a comparison needs two arms", expected="2 arms or more", got=got)
    if shape.baseline not in shape.arms:
        yield _not_among(("baseline",), "is not an arm", shape.baseline, shape.arms)


def _stages(shape: ScenarioShape) -> Iterator[Problem]:
    counts = Counter(stage_id(stage) for stage in shape.load.stages or ())
    for name in [name for name, count in counts.items() if count > 1]:
        text = f"{counts[name]} stages have the id {name!r}"
        yield Problem(key=("load", "stages"), text=text, expected="every id once", repair="give each an `id:`")


def _primary(shape: ScenarioShape) -> Iterator[Problem]:
    stages = [stage_id(stage) for stage in shape.load.stages or ()]
    named, key = shape.primary.stage, ("primary", "stage")
    if shape.primary.metric == _OF_NO_ARM:
        text, repair = f"{_OF_NO_ARM} is taken before the arm is there: it compares none", "write loaded_idle_power_w"
        yield Problem(key=("primary", "metric"), text=text, repair=repair)
    if shape.primary.metric in OF_IMAGE_TIMES and shape.coldstart.image_absent is not ImageAbsent.EACH:
        text = f"{shape.primary.metric} is measured only where each launch brings its image anew"
        repair = "add `coldstart: {image_absent: each}` and `registry: own`"
        yield Problem(key=("primary", "metric"), text=text, repair=repair)
    if shape.primary.metric in OF_LAUNCHES:
        if named is not None:
            text = f"{shape.primary.metric} belongs to a launch, not to a stage"
            yield Problem(key=key, text=text, got=named, repair="remove the key")
    elif named is None and len(stages) > 1:
        yield Problem(key=key, text="missing key", expected="one of " + ", ".join(stages), repair="add `stage:`")
    elif named is not None and named not in stages:
        yield _not_among(key, "is not a stage", named, stages)


def _lengths(shape: ScenarioShape) -> Iterator[Problem]:
    prompt, most = shape.load.prompt, shape.model.max_model_len
    tokens = prompt.input_tokens + prompt.output_tokens
    if most is not None and tokens > most:
        yield Problem(
            key=("load", "prompt"),
            text="prompt and answer are longer than the model's context",
            expected=f"at most {most} tokens together (model.max_model_len)",
            got=f"{prompt.input_tokens} + {prompt.output_tokens} = {tokens} tokens",
            repair="shorten load.prompt or raise model.max_model_len",
        )


def _slo(shape: ScenarioShape) -> Iterator[Problem]:
    for name, value in shape.slo.items():
        try:
            units.limit(name, value)
        except PydanticCustomError as error:
            context = error.context or {}
            yield Problem(
                key=("slo", name),
                text=str(context["problem"]),
                expected=context["expected"],
                got=str(value),
                repair=context["repair"],
            )


def _start(shape: ScenarioShape, arm: ArmShape, key: Key) -> Iterator[Problem]:
    """The arm is started in exactly one way, and has all that this way needs."""
    ways = [name for name in ("url", "image", "build") if getattr(arm, name)]
    if len(ways) > 1:
        yield Problem(key=key, text=" and ".join(ways) + " exclude each other", repair="keep one of them")
        return
    runtime = runtime_of(arm)
    wanted = {RuntimeKind.ENDPOINT: ("url",), RuntimeKind.DOCKER: ("image", "build"), RuntimeKind.PROCESS: ()}[runtime]
    if (wanted and not ways) or (ways and ways[0] not in wanted):
        text = f"runtime {runtime} goes with {' or '.join(wanted) or 'none of url, image and build'}"
        yield Problem(key=(*key, "runtime"), text=text, got=ways[0] if ways else "nothing of that", repair="change one")
    if runtime is RuntimeKind.ENDPOINT:
        for name in ("command", "args", "env", "packages", "also"):
            if getattr(arm, name):
                text = "a server that already runs takes no such key"
                yield Problem(key=(*key, name), text=text, repair="remove it, or remove `url`")
    elif runtime is RuntimeKind.PROCESS and not (arm.command or shape.model.path or shape.model.made):
        text = "this arm needs the model's files"
        yield Problem(key=("model",), text=text, expected="path or made", repair="add `path:` (or `made: tiny-llama`)")
    if shape.model.path and shape.model.made:
        yield Problem(key=("model", "made"), text="path and made exclude each other", repair="keep one of them")


def _commands(arm: ArmShape, key: Key) -> Iterator[Problem]:
    """Names among the arm's own commands: the entry, and what stands in `${...}`."""
    if ENGINE in arm.also:
        yield Problem(key=(*key, "also", ENGINE), text="this name means the engine itself", repair="choose another")
    if arm.entry not in (ENGINE, *arm.also):
        yield _not_among((*key, "entry"), "is no command of this arm", arm.entry, (ENGINE, *arm.also))
    known = template_names(arm)
    texts: list[tuple[Key, str]] = [((*key, "args", i), word) for i, word in enumerate(arm.args)]
    texts += [((*key, "command", i), word) for i, word in enumerate(arm.command or ())]
    texts += [((*key, "env", name), value) for name, value in arm.env.items()]
    texts += [((*key, "mounts", i, "path"), mount.path) for i, mount in enumerate(arm.mounts) if mount.path]
    texts += [((*key, "prepare", i), word) for i, word in enumerate(arm.prepare or ())]
    for name, sidecar in arm.also.items():
        texts += [((*key, "also", name, "command", i), word) for i, word in enumerate(sidecar.command)]
    for place, text in texts:
        for word in _BRACES.findall(text):
            if word not in known:
                yield _not_among(
                    place, "is nothing that can be filled in", f"${{{word}}}", [f"${{{n}}}" for n in known]
                )


def _files(arm: ArmShape, key: Key, folder: Path) -> Iterator[Problem]:
    if arm.packages and not (folder / arm.packages).is_file():
        yield _absent((*key, "packages"), folder, arm.packages)
    for name, sidecar in arm.also.items():
        for target, template in sidecar.files.items():
            place = (*key, "also", name, "files", target)
            if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
                text = "this file would lie outside of ${scratch}"
                yield Problem(key=place, text=text, expected="a name such as nginx.conf", got=target)
            if not (folder / template).is_file():
                yield _absent(place, folder, template)


def _absent(key: Key, folder: Path, name: str) -> Problem:
    return Problem(
        key=key,
        text="no such file",
        expected=f"a file in {folder.resolve().name}/",
        got=name,
        repair="write the file or fix the name",
    )


def _not_among(key: Key, text: str, got: str, known: Iterable[str]) -> Problem:
    names = list(dict.fromkeys(known))
    repair = did_you_mean(got, names) or "choose one of these"
    return Problem(key=key, text=f"{got!r} {text}", expected="one of " + ", ".join(names), got=got, repair=repair)

"""What is wrong with the keys on containers although each by itself is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.scenario.problems import Key, Problem
from bench.scenario.shape import ArmShape, ScenarioShape
from bench.vocabulary import RuntimeKind

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
_ONLY_IN_CONTAINERS = ("mounts", "profile", "profile_id", "prepare")


def container_contradictions(
    shape: ScenarioShape, arm: ArmShape, runtime: RuntimeKind, key: Key, folder: Path
) -> Iterator[Problem]:
    """Every contradiction of one arm."""
    if runtime is not RuntimeKind.DOCKER:
        for name in _ONLY_IN_CONTAINERS:
            if getattr(arm, name):
                text = "only an arm with `image` or `build` takes this key"
                yield Problem(key=(*key, name), text=text, repair="remove it")
        return
    for name in ("packages", "also"):
        if getattr(arm, name):
            text = "a container brings its own packages and processes"
            yield Problem(key=(*key, name), text=text, repair="put them into the image, or choose runtime: process")
    yield from _mounts(arm, key)
    yield from _build(shape, arm, key, folder)


def _mounts(arm: ArmShape, key: Key) -> Iterator[Problem]:
    targets = [mount.target for mount in arm.mounts]
    for index, mount in enumerate(arm.mounts):
        if bool(mount.volume) == bool(mount.path):
            got = "both" if mount.volume else "neither"
            yield Problem(key=(*key, "mounts", index), text="a mount is either a volume or a path", got=got)
        if targets.count(mount.target) > 1 and targets.index(mount.target) != index:
            text = "two mounts at one place"
            yield Problem(key=(*key, "mounts", index, "target"), text=text, got=mount.target, repair="keep one")


def _build(shape: ScenarioShape, arm: ArmShape, key: Key, folder: Path) -> Iterator[Problem]:
    build = arm.build
    if build is None:
        return
    place = (*key, "build")
    if not (folder / build.context / build.dockerfile).is_file():
        text, got = "no such Dockerfile", f"{build.context}/{build.dockerfile}"
        yield Problem(key=(*place, "context"), text=text, got=got, repair="write the file or fix the name")
    if build.wheelhouse and not (folder / build.wheelhouse).is_file():
        yield Problem(key=(*place, "wheelhouse"), text="no such file", got=build.wheelhouse, repair="fix the name")
    if build.base is None:
        return
    ways = [name for name in ("image", "arm", "made") if getattr(build.base, name)]
    if len(ways) != 1:
        got = " and ".join(ways) or "none"
        yield Problem(key=(*place, "base"), text="a base is one of image, arm and made", got=got, repair="keep one")
    other = build.base.arm
    if other is not None and (other not in shape.arms or shape.arms[other] is arm):
        names = [name for name, one in shape.arms.items() if one is not arm]
        text, expected = f"{other!r} is no other arm", "one of " + ", ".join(names)
        yield Problem(key=(*place, "base", "arm"), text=text, expected=expected, got=other)


def gpu_contradictions(shape: ScenarioShape) -> Iterator[Problem]:
    """Arms that choose their GPUs themselves: others would be sampled than the ones that work."""
    for name, arm in shape.arms.items() if shape.gpu else ():
        for variable in _VISIBLE:
            if variable in arm.env:
                text = "`gpu` chooses the cards of every arm, and samples those"
                yield Problem(key=("arms", name, "env", variable), text=text, repair="remove it")


def model_contradictions(shape: ScenarioShape) -> Iterator[Problem]:
    """Weights that no arm brings."""
    weights = shape.model.weights
    if weights is not None and weights.from_arm is not None:
        bringer = shape.arms.get(weights.from_arm)
        place = ("model", "weights", "from_arm")
        if bringer is None:
            expected = "one of " + ", ".join(shape.arms)
            yield Problem(key=place, text=f"{weights.from_arm!r} is not an arm", expected=expected)
        elif not bringer.prepare:
            text, repair = "this arm has no `prepare` that would bring them", "e.g. prepare: [download-to-cache]"
            yield Problem(key=place, text=text, got=weights.from_arm, repair=repair)

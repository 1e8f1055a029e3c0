"""What is wrong with the keys on registries, pulls and doses although each by itself is right."""

from __future__ import annotations

from collections.abc import Iterator

from bench.scenario.problems import Key, Problem, did_you_mean
from bench.scenario.shape import ScenarioShape
from bench.vocabulary import ImageAbsent

OWN = "own"  # a registry of the suite's, on the loopback, for one run


def image_contradictions(shape: ScenarioShape) -> Iterator[Problem]:
    """Every contradiction."""
    yield from _registry(shape)
    yield from _coldstart(shape)
    yield from _dose(shape)


def _registry(shape: ScenarioShape) -> Iterator[Problem]:
    """Docker takes a bare word for a name on Docker Hub: the images would go there."""
    name = shape.registry
    if name is not None and name not in (OWN, "localhost") and "." not in name and ":" not in name:
        yield Problem(
            key=("registry",),
            text="a bare word is no address of a registry: Docker would push to Docker Hub",
            expected="host:port, host.domain, or own",
            got=name,
            repair=f"write {name}:5000, or own for a registry of nimbench's that lives as long as the run",
        )


def _coldstart(shape: ScenarioShape) -> Iterator[Problem]:
    """In a registry that is not ours alone the layers of the last push would be there at the next."""
    key: Key = ("coldstart", "image_absent")
    if shape.coldstart.image_absent is ImageAbsent.EACH:
        if shape.registry != OWN:
            got = shape.registry or "no registry"
            yield Problem(key=key, text="`each` wants a registry that is emptied between launches", expected="own",
                          got=got, repair="add `registry: own`")  # fmt: skip
        pulled = [name for name, arm in shape.arms.items() if not arm.build]
        if pulled:
            yield Problem(key=key, text="`each` is for arms that are built", got=", ".join(pulled),
                          repair="give them a `build`, or choose once")  # fmt: skip
    if shape.coldstart.bandwidth is not None:
        yield from _bandwidth(shape)


def _bandwidth(shape: ScenarioShape) -> Iterator[Problem]:
    """A registry of somebody else's is not ours to slow down."""
    key: Key = ("coldstart", "bandwidth")
    if shape.registry != OWN:
        yield Problem(key=key, text="only what nimbench's own registry sends is held to a bandwidth", expected="own",
                      got=shape.registry or "no registry", repair="add `registry: own`")  # fmt: skip
    if shape.coldstart.image_absent is ImageAbsent.NEVER:
        yield Problem(key=key, text="nothing is pulled that a bandwidth could hold", expected="once or each",
                      got="coldstart.image_absent: never", repair="choose each, or remove the bandwidth")  # fmt: skip


def _dose(shape: ScenarioShape) -> Iterator[Problem]:
    dose = shape.dose
    if dose is None:
        return
    if shape.coldstart.image_absent is not ImageAbsent.EACH:
        yield Problem(key=("dose",), text="a dose needs a build, a push and a pull at every launch",
                      got=f"coldstart.image_absent: {shape.coldstart.image_absent}", repair="choose each")  # fmt: skip
    named = {
        "series": dose.series,
        "predict": dose.predict,
        "pairs": [name for pair in dose.pairs for name in pair],
        "packings": dose.packings,
    }
    for key, names in named.items():
        for name in names:
            if name not in shape.arms:
                repair = did_you_mean(name, shape.arms)
                yield Problem(key=("dose", key), text=f"{name!r} is not an arm", got=name,
                              expected="one of " + ", ".join(shape.arms), repair=repair)  # fmt: skip
    both = [name for name in dose.predict if name in dose.series]
    if both:
        yield Problem(key=("dose", "predict"), text="an arm that gives the slope cannot test it", got=", ".join(both),
                      repair="remove it from one of them")  # fmt: skip
    twice = sorted({name for name in dose.packings if dose.packings.count(name) > 1})
    if twice:
        yield Problem(key=("dose", "packings"), text="an arm is no other packing of itself", got=", ".join(twice),
                      repair="name each arm once")  # fmt: skip

"""Every arm's image, built or pulled, and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.container import BuildRecord, ImageFacts, ImageRecord
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.labels import ARM, SCENARIO
from bench.errors import ArmError, InputError
from bench.events import Event, Progress
from bench.images.build import build_image
from bench.images.local import forget_name, remove_image
from bench.images.pip_check import pip_check_spec, with_pip_check
from bench.images.pull import pull_image
from bench.images.push import push_image
from bench.model import Arm, Scenario
from bench.plan.arms import arm_of
from bench.plan.containers import built_tag
from bench.preparing.bases import base_of, image_here, is_base
from bench.preparing.station import NO_STATION, Station
from bench.runtimes.containers import container_arms
from bench.runtimes.once import run_once
from bench.vocabulary import FailureKind, ImageAbsent

PIP_CHECK_S = 300.0


Keep = Callable[[Mapping[str, ImageRecord]], None]  # writes what is known so far


def prepare_images(
    scenario: Scenario,
    logs: Path,
    progress: Progress,
    *,
    station: Station = NO_STATION,
    before: Mapping[str, ImageRecord],
    keep: Keep,
) -> dict[str, ImageRecord]:
    """An image for every container arm; `before` has those of a run that goes on, which must be the same."""
    records: dict[str, ImageRecord] = {}
    bases: set[str] = set()
    each = scenario.coldstart.image_absent is ImageAbsent.EACH
    for arm in in_build_order(scenario):
        if each and not (is_base(scenario, arm) or arm.prepare or arm.profile):
            continue  # it is built before every launch of its own, and nothing is asked of it before
        known = _still_here(before.get(arm.name), progress)
        if known is not None:
            records[arm.name] = known
        elif arm.build:
            records[arm.name] = _built(scenario, arm, records, bases, logs, progress)
        else:
            records[arm.name] = _pulled(scenario, arm, progress)
        keep({**before, **records})
    if scenario.coldstart.image_absent is ImageAbsent.ONCE and scenario.registry:
        records = _pull_again(scenario, records, bases, station, progress)
    _require_same(before, records)
    keep(records)
    return records


def in_build_order(scenario: Scenario) -> Iterator[Arm]:
    """Container arms, each after the one whose image it is built from."""
    waiting = list(container_arms(scenario))
    done: set[str] = set()
    while waiting:
        ready = [arm for arm in waiting if not (arm.build and arm.build.base_arm) or arm.build.base_arm in done]
        if not ready:
            names = ", ".join(arm.name for arm in waiting)
            raise InputError(f"the images of these arms are built from each other: {names}", repair="break the circle")
        for arm in ready:
            yield arm
            done.add(arm.name)
        waiting = [arm for arm in waiting if arm.name not in done]


def _still_here(record: ImageRecord | None, progress: Progress) -> ImageRecord | None:
    """The image with which a run began, here or in its registry: a run that goes on builds nothing again."""
    if record is None:
        return None
    with closing(connect()) as client:
        if image_here(client, record.facts.id):
            return record
    if record.push is None:
        return None
    facts, pull = pull_image(record.facts.reference, arm="resumed", progress=progress)  # it was removed to be pulled
    return replace(record, facts=facts, pull=pull)


def _built(
    scenario: Scenario, arm: Arm, records: dict[str, ImageRecord], bases: set[str], logs: Path, progress: Progress
) -> ImageRecord:
    assert arm.build is not None
    base = base_of(scenario, arm, {name: record.facts for name, record in records.items()}, progress)
    bases |= {base.reference} if base and not arm.build.base_arm else set()
    facts, build = build_image(
        arm.build,
        tag=built_tag(scenario, arm),
        base=base,
        arm=arm.name,
        labels={SCENARIO: scenario.name, ARM: arm.name},
        no_cache=scenario.coldstart.image_absent is ImageAbsent.ONCE,
        progress=progress,
        log_path=logs / f"{arm.name}-build.log",
    )
    if arm.build.pip_check:
        build = _pip_checked(build, facts, arm, progress)
    if scenario.registry is None or scenario.coldstart.image_absent is ImageAbsent.EACH:
        return ImageRecord(facts=facts, build=build)
    return pushed(ImageRecord(facts=facts, build=build), scenario, arm, progress)


def pushed(record: ImageRecord, scenario: Scenario, arm: Arm, progress: Progress) -> ImageRecord:
    """In the scenario's registry, by the digest under which it is there."""
    facts = record.facts
    reference = f"{scenario.registry}/{built_tag(scenario, arm).partition(':')[0]}:{facts.id[7:19]}"
    push = push_image(facts.id, reference, arm=arm.name, progress=progress)
    there = f"{reference}@{push.digest}" if push.digest else facts.reference
    return replace(record, facts=replace(facts, reference=there, digest=push.digest), push=push)


def _pip_checked(build: BuildRecord, facts: ImageFacts, arm: Arm, progress: Progress) -> BuildRecord:
    """With what `pip check` says inside the image; an image without a shell cannot be asked."""
    progress(Event("run", f"asking the packages of {arm.name} whether they fit together"))
    try:
        return with_pip_check(build, run_once(pip_check_spec(facts), arm=arm.name, timeout_s=PIP_CHECK_S))
    except ArmError as error:
        if error.kind is not FailureKind.ENTRYPOINT_MISSING:
            raise
        return build


def _pulled(scenario: Scenario, arm: Arm, progress: Progress) -> ImageRecord:
    """An image that is here already is used as it is, unless the scenario wants its pull measured."""
    assert arm.image is not None
    with closing(connect()) as client:
        local = image_here(client, arm.image)
    if local is not None and scenario.coldstart.image_absent is ImageAbsent.ONCE:
        progress(Event("run", f"removing {arm.image}, to measure its pull"))
        remove_image(arm.image)
        local = None
    if local is not None:
        return ImageRecord(facts=local)
    progress(Event("run", f"pulling {arm.image}"))
    facts, pull = pull_image(arm.image, arm=arm.name, progress=progress)
    return ImageRecord(facts=facts, pull=pull)


def _pull_again(
    scenario: Scenario, records: dict[str, ImageRecord], bases: set[str], station: Station, progress: Progress
) -> dict[str, ImageRecord]:
    """Built images from their registry, with nothing of them left here.

    Removing the image alone would measure nothing: as long as the build cache or the base holds a layer, the engine
    says "Already exists" and downloads none of it (seen with engine 20.10.24).
    """
    pushed = {name: record for name, record in records.items() if record.push and record.pull is None}
    if not pushed:
        return records
    progress(Event("run", f"removing the images of {', '.join(pushed)}, their bases and the build cache"))
    for name, record in pushed.items():
        assert record.push is not None
        remove_image(built_tag(scenario, arm_of(scenario, name)), record.push.reference)
    for base in sorted(bases):
        remove_image(base)
    with closing(connect()) as client, docker_errors("remove the build cache", None):
        client.api.prune_builds(all=True)
    pulled = {}
    for name, record in pushed.items():
        pulled_as = station.to_pull(record.facts.reference)
        progress(Event("run", f"pulling {pulled_as}"))
        facts, pull = pull_image(pulled_as, arm=name, progress=progress)
        if pulled_as != record.facts.reference:  # the registry's own name brings no layer again, and is held to nothing
            facts, _ = pull_image(record.facts.reference, arm=name, progress=progress)
            forget_name(pulled_as)
        pulled[name] = replace(record, facts=facts, pull=pull)
    return {**records, **pulled}


def _require_same(before: Mapping[str, ImageRecord], now: Mapping[str, ImageRecord]) -> None:
    """Launches of one run must be of one image."""
    for name, record in now.items():
        if name in before and before[name].facts.id != record.facts.id:
            raise InputError(
                f"the image of arm {name!r} is another one than when this run began",
                expected=before[name].facts.id,
                got=record.facts.id,
                repair="begin a new run",
            )

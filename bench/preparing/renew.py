"""An image brought anew for one launch: built from nothing, pushed, removed from this host, and gone after the launch.

Nothing of it may be here when the pull begins: as long as the build cache holds a layer, the engine downloads none.
The base stays, as on a host that has served an image of the same base before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from bench.container import ImageRecord, Prepared
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.dockerhost.labels import ARM, SCENARIO
from bench.events import Event, Progress
from bench.images.build import build_image
from bench.images.local import remove_image
from bench.model import Arm, Scenario
from bench.plan.arms import arm_of
from bench.plan.containers import built_tag
from bench.preparing.bases import base_of
from bench.preparing.contents import look_inside
from bench.preparing.images import pushed
from bench.preparing.station import Station
from bench.store import layout
from bench.store.writer import RunWriter
from bench.vocabulary import ImageAbsent


@contextmanager
def renewed_image(
    scenario: Scenario, name: str, prepared: Prepared, station: Station, writer: RunWriter, progress: Progress
) -> Iterator[ImageRecord | None]:
    """The arm's image in the registry and not on this host; None where the scenario keeps its images."""
    if scenario.coldstart.image_absent is not ImageAbsent.EACH:
        yield None
        return
    arm = arm_of(scenario, name)
    try:
        record = _pushed(scenario, arm, prepared, writer.folder / layout.PREPARE, progress)
        look_inside(arm, record, writer, progress)
        _remove(scenario, arm, record)
        pulled_as = station.to_pull(record.facts.reference)
        yield replace(record, facts=replace(record.facts, reference=pulled_as))
        _remove(scenario, arm, record, pulled_as)
    finally:
        station.wipe()


def _pushed(scenario: Scenario, arm: Arm, prepared: Prepared, logs: Path, progress: Progress) -> ImageRecord:
    assert arm.build is not None
    progress(Event("run", f"building, pushing and removing the image of {arm.name}"))
    facts, build = build_image(
        arm.build,
        tag=launch_tag(scenario, arm),
        base=base_of(scenario, arm, prepared.images, progress),
        arm=arm.name,
        labels={SCENARIO: scenario.name, ARM: arm.name},
        time_cache=False,
        progress=progress,
        log_path=logs / f"{arm.name}-build.log",
    )
    return pushed(ImageRecord(facts=facts, build=build), scenario, arm, progress)


def launch_tag(scenario: Scenario, arm: Arm) -> str:
    """In another repository than the image that others are built from, which must stay."""
    return f"{built_tag(scenario, arm).rpartition(':')[0]}-launch:now"


def _remove(scenario: Scenario, arm: Arm, record: ImageRecord, *names: str) -> None:
    remove_image(launch_tag(scenario, arm), record.facts.reference, *names)
    with closing(connect()) as client, docker_errors("remove the build cache", arm.name):
        client.api.prune_builds(all=True)

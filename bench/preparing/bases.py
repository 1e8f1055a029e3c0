"""What an image is built on: another arm's image, one made on this host, or one of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from bench.container import ImageFacts
from bench.dockerhost.client import connect
from bench.errors import ArmError
from bench.events import Progress
from bench.images.local import image_facts
from bench.images.made import ensure_made
from bench.images.pull import pull_image
from bench.model import Arm, Scenario
from bench.plan.arms import arm_of
from bench.plan.containers import built_tag
from bench.vocabulary import FailureKind


def base_of(scenario: Scenario, arm: Arm, images: Mapping[str, ImageFacts], progress: Progress) -> ImageFacts | None:
    """What becomes BASE_IMAGE: of another arm by the name of its local build, so that nothing is pulled for it."""
    build = arm.build
    assert build is not None
    if build.base_arm:
        other, facts = arm_of(scenario, build.base_arm), images[build.base_arm]
        return replace(facts, reference=built_tag(scenario, other)) if other.build else facts
    if build.base_made:
        return ensure_made(build.base_made, scenario.folder, progress)
    if build.base_image:
        with closing(connect()) as client:
            local = image_here(client, build.base_image)
        return local or pull_image(build.base_image, arm=arm.name, progress=progress)[0]
    return None


def is_base(scenario: Scenario, arm: Arm) -> bool:
    """Whether another arm's image is built from this one's."""
    return any(other.build is not None and other.build.base_arm == arm.name for other in scenario.arms)


def image_here(client: Any, reference: str) -> ImageFacts | None:
    """The image where this host has it already."""
    try:
        return image_facts(client, reference)
    except ArmError as error:
        if error.kind is not FailureKind.IMAGE_NOT_FOUND:
            raise
        return None

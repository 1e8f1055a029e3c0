"""A launch that begins with the pull of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.clock import NS_PER_S
from bench.container import ImageRecord
from bench.images.pull import pull_image
from bench.vocabulary import Mark

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt


def pull(attempt: Attempt, image: ImageRecord) -> None:
    """PULL_START, LAYERS_DOWNLOADED and IMAGE_READY; the container is then made of what came."""
    attempt.say("pull", f"pulling {image.facts.reference}")
    arm = attempt.arm.name
    facts, record = pull_image(image.facts.reference, arm=arm, progress=attempt.progress)
    attempt.image = replace(image, facts=facts, pull=record)
    attempt.prepared = replace(attempt.prepared, images={**attempt.prepared.images, arm: facts})
    began_s = record.began_monotonic_s
    if began_s is None:
        return
    ends_s = {Mark.PULL_START: 0.0, Mark.LAYERS_DOWNLOADED: record.downloaded_s, Mark.IMAGE_READY: record.wall_s}
    attempt.mark_ns({mark: round((began_s + end_s) * NS_PER_S) for mark, end_s in ends_s.items() if end_s is not None})

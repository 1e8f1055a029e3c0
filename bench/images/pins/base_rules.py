"""Bases: base-not-by-digest, base-latest, nightly tags, and a base that brings compilers into the final image.

An image is named by digest with `@sha256:` and 64 hexadecimal digits; a tag in front of it does no harm. `FROM scratch`
and earlier stages need none. An image whose name a build argument without a default decides is the caller's: it is
judged only when the caller says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.anatomy import PinFinding
from bench.images.pins.grade import found
from bench.images.pins.stages import Stage, final_chain, stage_of
from bench.images.pins.variables import fill
from bench.vocabulary import PinRule

BY_DIGEST = re.compile(r".+@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
NIGHTLY = re.compile(r"(^|[-_.])(nightly|dev\d{6,}|edge|canary|snapshot)([-_.]|\Z)", re.IGNORECASE)
DEVELOPMENT = re.compile(
    r"(^|[-_.])devel([-_.]|\Z)"
)  # nvidia/cuda and pytorch/pytorch: nvcc, headers, static libraries
REPAIR = "write its digest behind it, which `nimbench image inspect {image}` shows: {image}@sha256:…"


def base_findings(stages: Sequence[Stage], file: str) -> list[PinFinding]:
    """Every image that the file builds on or copies from."""
    in_image = {stage.index for stage in final_chain(stages)}
    out: list[PinFinding] = []
    for stage in stages:
        if stage.parent is None:
            out += _of_image(stage.image, file, stage.line)
            if stage.index in in_image and DEVELOPMENT.search(tag_of(stage.image) or ""):
                text = f"the image is built on {stage.image}, which brings compilers and headers"
                repair = "build in a stage on it, and copy the result into a stage on the runtime variant"
                out.append(found(PinRule.BUILD_TOOLS_LEFT, file, stage.line, text, repair))
        for line, image in _others(stage, stages):
            out += _of_image(image, file, line)
    return out


def _others(stage: Stage, stages: Sequence[Stage]) -> Iterator[tuple[int, str]]:
    """Images of COPY --from and RUN --mount=from that are no stages of this file."""
    for step in stage.steps:
        for name, value in step.instruction.flags:
            if name == "mount":
                options = dict(option.partition("=")[::2] for option in value.split(","))
                value, name = options.get("from", ""), "from"
            if name == "from" and value and stage_of(value, stages, step) is None:
                yield step.instruction.line, fill(value, step.known)


def _of_image(image: str, file: str, line: int) -> Iterator[PinFinding]:
    if image == "scratch" or "$" in image:
        return
    if not image:
        yield found(PinRule.UNREADABLE, file, line, "FROM names no image", "name the image that this stage builds on")
        return
    tag = tag_of(image)
    if not BY_DIGEST.match(image):
        repair = REPAIR.format(image=image.partition("@")[0])
        if tag in (None, "latest"):
            text = f"{image}: whatever was pushed last" if tag else f"{image} has no tag: whatever was pushed last"
            yield found(PinRule.BASE_LATEST, file, line, text, "name a release, and its digest")
        text = f"{image}: a tag can be moved to another image at any time"
        yield found(PinRule.BASE_NOT_BY_DIGEST, file, line, text, repair)
    if tag and NIGHTLY.search(tag):
        text = f"{image} is a nightly or unreleased build: such images are changed or deleted without notice"
        repair = "use a release; for a model that no release supports yet, say so with day_zero"
        yield found(PinRule.NIGHTLY, file, line, text, repair)


def tag_of(image: str) -> str | None:
    """`host:5000/name:tag@digest` -> tag."""
    last = image.partition("@")[0].rsplit("/", 1)[-1]
    return last.partition(":")[2] or None

"""Brings an image onto this host, with the times of every layer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.container import ImageFacts, PullRecord
from bench.errors import ArmError
from bench.events import Progress, silent
from bench.images.local import engine_of, image_facts, remove_image
from bench.images.reference import Reference, parse_reference
from bench.images.refusals import refused
from bench.images.registry import resolve
from bench.images.timeline import PullTimeline
from bench.images.transfer import Ticker, gigabytes, refused_by, with_login_if_wanted
from bench.vocabulary import FailureKind

__all__ = ["image_facts", "pull_image", "remove_image"]


def pull_image(
    reference: str,
    *,
    arm: str,
    progress: Progress = silent,
    client: Any | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[ImageFacts, PullRecord]:
    """Pull `name:tag` or `name[:tag]@digest`. The times are those of the attempt that brought it."""
    name = parse_reference(reference)
    with engine_of(client) as engine:
        ticker = Ticker(progress, f"{arm}: pulling {reference}")
        timeline, began_s, wall_s, anonymous = _pull(engine, name, ticker, arm, environ)
        facts = image_facts(engine, str(name))
    if name.digest and timeline.digest not in (None, name.digest):
        text = f"it came as {timeline.digest}"
        raise refused(FailureKind.DOWNLOAD, str(name), name.registry, name.repository, text, arm=arm)
    digest = facts.digest or timeline.digest
    record = PullRecord(
        reference=reference,
        wall_s=wall_s,
        layers=timeline.layers,
        downloaded_s=timeline.downloaded_s,
        anonymous=anonymous,
        began_monotonic_s=began_s,
    )
    wire_bytes = _wire_bytes(f"{name.name}@{digest}", environ) if digest else None
    return replace(facts, reference=reference, digest=digest, wire_bytes=wire_bytes), record


def _pull(
    engine: Any, name: Reference, ticker: Ticker, arm: str, environ: Mapping[str, str]
) -> tuple[PullTimeline, float, float, bool]:
    """(timeline, its beginning, seconds, whether no login was sent) of the attempt that brought the image."""
    timeline, began_s = PullTimeline(), time.monotonic()

    def attempt(login: Mapping[str, str]) -> str | None:
        nonlocal timeline, began_s
        timeline, began_s = PullTimeline(), time.monotonic()

        def feed(event: Mapping[str, Any]) -> None:
            timeline.feed(event, time.monotonic() - began_s)
            ticker.tick(lambda: _how_far(timeline))

        def events() -> Any:
            return engine.api.pull(name.name, tag=name.wanted, stream=True, decode=True, auth_config=dict(login))

        return refused_by(events, feed, arm=arm) or timeline.error

    anonymous = with_login_if_wanted(name, attempt, arm=arm, environ=environ)
    return timeline, began_s, time.monotonic() - began_s, anonymous


def _wire_bytes(reference: str, environ: Mapping[str, str]) -> int | None:
    """The registry's own sizes. Unknown where only the engine reaches it, such as one that it takes as insecure."""
    try:
        return resolve(reference, environ=environ).wire_bytes
    except ArmError:
        return None


def _how_far(timeline: PullTimeline) -> str:
    here, named, got = timeline.state
    return f"{here} of {named} layers are here, {gigabytes(got)} came down"

"""Sends an image of this host to a registry."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from bench.container import PushRecord
from bench.dockerhost.errors import docker_errors
from bench.events import Progress, silent
from bench.images.local import engine_of, image_facts
from bench.images.reference import Reference, parse_reference
from bench.images.transfer import Ticker, gigabytes, refused_by, with_login_if_wanted

_SILENCE_S = 3600  # an engine says nothing while it compresses a large layer
_PRESENT = ("Layer already exists", "Already exists", "Mounted from")


class PushTally:
    """Counts a push's events. Pure."""

    def __init__(self) -> None:
        self._ends: dict[str, str] = {}
        self._read: dict[str, int] = {}
        self.digest: str | None = None
        self.error: str | None = None

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        aux, status, layer = event.get("aux"), str(event.get("status", "")), event.get("id")
        if error := event.get("error"):
            detail = event.get("errorDetail")
            self.error = str(detail.get("message") or error) if isinstance(detail, dict) else str(error)
        elif isinstance(aux, dict) and aux.get("Digest"):
            self.digest = str(aux["Digest"])
        elif layer and status == "Pushing" and isinstance(detail := event.get("progressDetail"), dict):
            self._read[str(layer)] = int(detail.get("current") or 0)
        elif layer and (status == "Pushed" or status.startswith(_PRESENT)):
            self._ends[str(layer)] = status

    @property
    def read_bytes(self) -> int:
        """How much of the layers is on its way or there; before compression in the classic store."""
        return sum(self._read.values())

    @property
    def pushed(self) -> int:
        """Layers that were sent."""
        return sum(status == "Pushed" for status in self._ends.values())

    @property
    def present(self) -> int:
        """Layers that the registry had."""
        return len(self._ends) - self.pushed


def push_image(
    local_id: str,
    reference: str,
    *,
    arm: str,
    progress: Progress = silent,
    client: Any | None = None,
    environ: Mapping[str, str] = os.environ,
) -> PushRecord:
    """Tag the image as `name:tag` and push it. The tag stays: `remove_image` takes it away."""
    name = parse_reference(reference)
    ticker = Ticker(progress, f"{arm}: pushing {reference}")
    with engine_of(client, timeout_s=_SILENCE_S) as engine:
        with docker_errors(f"tag {local_id} as {reference}", arm):
            engine.api.tag(local_id, name.name, tag=name.tag or "latest", force=True)
        tally, wall_s = _push(engine, name, ticker, arm, environ)
        digest = tally.digest or image_facts(engine, reference).digest
    return PushRecord(
        reference=reference,
        wall_s=wall_s,
        digest=digest,
        layers_pushed=tally.pushed,
        layers_present=tally.present,
    )


def _push(
    engine: Any, name: Reference, ticker: Ticker, arm: str, environ: Mapping[str, str]
) -> tuple[PushTally, float]:
    """(tally, seconds) of the attempt that was let in."""
    tally, began_s = PushTally(), time.monotonic()

    def attempt(login: Mapping[str, str]) -> str | None:
        nonlocal tally, began_s
        tally, began_s = PushTally(), time.monotonic()

        def feed(event: Mapping[str, Any]) -> None:
            tally.feed(event)
            ticker.tick(lambda: _how_far(tally))

        def events() -> Any:
            tag = name.tag or "latest"
            return engine.api.push(name.name, tag=tag, stream=True, decode=True, auth_config=dict(login))

        return refused_by(events, feed, arm=arm) or tally.error

    with_login_if_wanted(name, attempt, arm=arm, environ=environ)
    return tally, time.monotonic() - began_s


def _how_far(tally: PushTally) -> str:
    return f"{gigabytes(tally.read_bytes)} read, {tally.pushed} layers sent, {tally.present} were there"

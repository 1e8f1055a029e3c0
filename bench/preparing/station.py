"""The registry that a run's images go through: the user's, or one of the suite's own for as long as the run takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.images.own_registry import OwnRegistry
from bench.model import Scenario
from bench.scenario.image_contradictions import OWN


@dataclass(frozen=True, kw_only=True)
class Station:
    """Where it is reached; None where images go through none."""

    address: str | None = None
    own: OwnRegistry | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def wipe(self) -> None:
        """Our own is emptied; a user's is left as it is."""
        if self.own is not None:
            self.own.wipe()


@contextmanager
def station_of(scenario: Scenario) -> Iterator[Station]:
    """Nothing of ours is left afterwards."""
    if scenario.registry != OWN:
        yield Station(address=scenario.registry)
        return
    with OwnRegistry() as registry:
        facts = {"program": registry.program, "network": "loopback"}
        yield Station(address=registry.address, own=registry, facts=facts)

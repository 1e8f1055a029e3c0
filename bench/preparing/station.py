"""The registry that a run's images go through: the user's, or one of the suite's own for as long as the run takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from bench.images.own_registry import OwnRegistry
from bench.images.shaper import Shaper
from bench.model import Scenario
from bench.scenario.image_contradictions import OWN


@dataclass(frozen=True, kw_only=True)
class Station:
    """Where it is reached; None where images go through none. Pushes go there, and whoever looks into an image.

    Pulls that are measured go through `held` where a bandwidth is wanted: a push is held to none.
    """

    address: str | None = None
    own: OwnRegistry | None = None
    held: Shaper | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def wipe(self) -> None:
        """Our own is emptied; a user's is left as it is."""
        if self.own is not None:
            self.own.wipe()

    def to_pull(self, reference: str) -> str:
        """Under which name a launch pulls what was pushed as this: through what holds the bandwidth, if it is held."""
        if self.held is None or self.address is None:
            return reference
        return reference.replace(f"{self.address}/", f"{self.held.address}/", 1)


NO_STATION = Station()


@contextmanager
def station_of(scenario: Scenario) -> Iterator[Station]:
    """Nothing of ours is left afterwards."""
    if scenario.registry != OWN:
        yield Station(address=scenario.registry)
        return
    held_to = scenario.coldstart.bandwidth_bits_per_s
    with OwnRegistry() as registry, _shaper(registry, held_to) as shaper:
        facts = {"program": registry.program, "network": "loopback"}
        held = {} if held_to is None else {"pulls_held_to_bits_per_s": held_to}
        yield Station(address=registry.address, own=registry, held=shaper, facts={**facts, **held})


def _shaper(registry: OwnRegistry, bits_per_s: float | None) -> AbstractContextManager[Shaper | None]:
    return nullcontext() if bits_per_s is None else Shaper(target_port=registry.port, bits_per_s=bits_per_s)

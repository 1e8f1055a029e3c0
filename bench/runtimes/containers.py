"""Which arms of a scenario are containers: what is asked wherever the container engine is needed for them alone."""

from __future__ import annotations

from bench.model import Arm, Scenario
from bench.vocabulary import RuntimeKind


def container_arms(scenario: Scenario) -> tuple[Arm, ...]:
    """Those that run in containers, in the scenario's order; empty for one of processes and endpoints."""
    return tuple(arm for arm in scenario.arms if arm.runtime is RuntimeKind.DOCKER)

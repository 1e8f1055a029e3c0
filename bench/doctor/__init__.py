"""What this machine has and lacks for a scenario, each lack with its repair. Looks only; starts nothing."""

from __future__ import annotations

from pathlib import Path

from bench.doctor.arms import check_arms
from bench.doctor.fact import Check
from bench.doctor.machine import check_machine
from bench.errors import PrerequisiteError
from bench.model import Plan, Scenario

__all__ = ["Check", "check", "require"]


def check(scenario: Scenario | None, plan: Plan | None = None, *, results: Path = Path("results")) -> list[Check]:
    """Every check of the machine, and of what the scenario asks of it; ports are known with a plan only."""
    checks = check_machine(results, (plan and plan.disk_bytes) or 0)
    return checks if scenario is None else [*checks, *check_arms(scenario, plan)]


def require(scenario: Scenario, plan: Plan, *, results: Path = Path("results")) -> None:
    """Raise one error with everything that a run of this plan would miss."""
    missing = [found for found in check(scenario, plan, results=results) if found.needed and not found.ok]
    lacks = dict.fromkeys((lack.name, lack.expected, lack.found, lack.repair) for lack in missing)  # arms may share one
    errors = [PrerequisiteError(name, expected=want, got=got, repair=repair) for name, want, got, repair in lacks]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        blocks = ["  " + line for error in errors for line in str(error).splitlines()]
        raise PrerequisiteError("\n".join([f"{len(errors)} things are missing, nothing was started", *blocks]))

"""What this machine has and lacks for a scenario, each lack with its repair. Looks only; starts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.doctor.arms import check_arms
from bench.doctor.fact import Check, absent_modules
from bench.doctor.gpu import check_gpus, gpu_note
from bench.doctor.machine import check_machine
from bench.errors import PrerequisiteError
from bench.model import Plan, Scenario
from bench.runtimes.containers import container_arms

__all__ = ["Check", "check", "require"]

_ASKING = ("docker", "httpx")  # of the extra `run`: without them neither engine nor registry can be asked


def check(scenario: Scenario | None, plan: Plan | None = None, *, results: Path = Path("results")) -> list[Check]:
    """Every check of the machine, and of what the scenario asks of it; ports are known with a plan only."""
    checks = check_machine(results, (plan and plan.disk_bytes) or 0)
    if scenario is None:
        return [*checks, *_engine_note(), gpu_note()]
    if container_arms(scenario):
        return [*checks, *_containers(scenario), *check_arms(scenario, plan)]
    return [*checks, *check_gpus(scenario, None, in_containers=False), *check_arms(scenario, plan)]


def _engine_note() -> Iterator[Check]:
    if absent_modules(_ASKING):
        return  # told among the packages
    from bench.doctor.docker import ask_engine, docker_note

    yield docker_note(ask_engine())


def _containers(scenario: Scenario) -> Iterator[Check]:
    """What container arms share. Only they ask the container engine and registries, and load what asks them."""
    if absent_modules(_ASKING):
        yield from check_gpus(scenario, None, in_containers=True)
        return
    from bench.doctor.docker import ask_engine, check_docker, is_here
    from bench.doctor.images import check_images

    engine = ask_engine()
    facts = None if isinstance(engine, PrerequisiteError) else engine
    yield from check_docker(scenario, engine)
    yield from check_gpus(scenario, facts, in_containers=True)
    yield from check_images(scenario, is_here)


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

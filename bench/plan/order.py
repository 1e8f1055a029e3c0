"""The order of launches: burn-in blocks, then the kept ones; each has every arm once, in an order from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from bench.engines import ENGINES, get_engine
from bench.errors import InputError
from bench.model import Arm, Plan, PlannedLaunch, Scenario
from bench.plan.arms import ENGINE, placed
from bench.plan.expected import BYTES_PER_RUN, expected_s, launch_bytes
from bench.scenario.problems import did_you_mean


def make_plan(scenario: Scenario, *, seed: int | None = None) -> Plan:
    """Burn-in blocks, then the kept ones; each starts every arm once, in an order drawn from the seed."""
    for arm in scenario.arms:
        _known_engine(scenario, arm)
    chosen = scenario.launches.seed if seed is None else seed
    launches = tuple(_launches(scenario, chosen))
    return Plan(
        launches=launches,
        ports=_ports(scenario),
        seed=chosen,
        expected_s=expected_s(scenario, launches),
        disk_bytes=BYTES_PER_RUN + len(launches) * launch_bytes(scenario),
    )


def _launches(scenario: Scenario, seed: int) -> Iterator[PlannedLaunch]:
    index = 0
    order = random.Random(seed)
    for block in range(scenario.launches.burn_in + scenario.launches.blocks):
        arms = [arm.name for arm in scenario.arms]
        order.shuffle(arms)
        prompts_seed = random.Random(f"{seed}/{block}").getrandbits(32)
        for position, arm in enumerate(arms):
            index += 1
            yield PlannedLaunch(
                index=index,
                arm=arm,
                block=block,
                order_in_block=position,
                burn_in=block < scenario.launches.burn_in,
                seed=prompts_seed,
            )


def _ports(scenario: Scenario) -> dict[str, dict[str, int]]:
    """Counted up from `launches.port_base`: every command of every arm has its own, none for a server that runs."""
    free = iter(range(scenario.launches.port_base, 65536))
    return {
        arm.name: {} if arm.url else {name: next(free) for name in (ENGINE, *(sidecar.name for sidecar in arm.also))}
        for arm in scenario.arms
    }


def _known_engine(scenario: Scenario, arm: Arm) -> None:
    """An engine's name is checked here, where engines may be asked, with the place of the scenario's key."""
    try:
        get_engine(arm.engine)
    except InputError as error:
        repair = did_you_mean(arm.engine, ENGINES) or "change the key `engine` of this arm"
        raise placed(error, f"{scenario.name}: arms.{arm.name}.engine", repair) from error

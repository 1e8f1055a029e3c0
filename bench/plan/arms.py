"""Small look-ups that every part of a plan needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from string import Template

from bench.errors import InputError
from bench.model import Arm, Scenario

ENGINE = "engine"  # the name of an arm's own command; sidecars have their own


def arm_of(scenario: Scenario, name: str) -> Arm:
    """The arm of that name."""
    return next(arm for arm in scenario.arms if arm.name == name)


def placed(error: InputError, where: str, repair: str) -> InputError:
    """The same error with the place and the repair that only a plan knows."""
    return InputError(error.problem, where=where, expected=error.expected, got=error.got, repair=error.repair or repair)


def filler(words: Mapping[str, str]) -> Callable[[str], str]:
    """Fills in `${...}`; what is not among `words` stays."""
    return lambda text: Template(text).safe_substitute(words)


def filled_arm(arm: Arm, fill: Callable[[str], str]) -> Arm:
    """The arm with its command, arguments and environment filled in."""
    return replace(
        arm,
        args=tuple(map(fill, arm.args)),
        command=tuple(map(fill, arm.command)) if arm.command else None,
        env={name: fill(value) for name, value in arm.env.items()},
    )

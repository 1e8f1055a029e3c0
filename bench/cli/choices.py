"""The argument and options by which every verb chooses a scenario."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bench.errors import PrerequisiteError

DEFAULT_SCENARIO = "demo"

F = TypeVar("F", bound=Callable[..., Any])


def scenario_choices(required_default: str | None = DEFAULT_SCENARIO) -> Callable[[F], F]:
    """SCENARIO, --mode and --set, the same words everywhere."""

    def decorate(function: F) -> F:
        sets = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one key; comes last.")
        mode = click.option("--mode", metavar="MODE", help="smoke, quick, standard or publish: how often and how long.")
        scenario = click.argument("scenario", default=required_default, required=False)
        return scenario(mode(sets(function)))

    return decorate


def require_modules(*names: str) -> None:
    """PrerequisiteError where the base install lacks what a verb of a measuring host needs."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        raise PrerequisiteError(
            "this verb needs the packages of a measuring host",
            got=f"not installed: {', '.join(absent)}",
            repair="in nimbench's checkout: pip install '.[run]'",
        )

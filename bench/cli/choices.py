"""The argument and options by which every verb chooses a scenario."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

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

"""`nimbench image`: what is in an image, how two differ, and whether its build is pinned."""

from __future__ import annotations

import importlib

import click

PARTS = ("inspect", "diff", "lint")


class LazyParts(click.Group):
    """Loads a part when it is named: `lint` needs neither Docker nor a network library."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every part, in the order of the README."""
        return list(PARTS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The part's click command, None for a word that is none."""
        if cmd_name not in PARTS:
            return None
        command: click.Command = importlib.import_module(f"bench.cli.image_{cmd_name}").command
        return command


@click.command("image", cls=LazyParts)
def command() -> None:
    """Look into images: size, layers, packages, waste and pins, also of images that are not on this host."""

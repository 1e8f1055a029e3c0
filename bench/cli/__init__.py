"""The command line: one verb a file, loaded when it is called; only here is anything printed or exited."""

from __future__ import annotations

import importlib
import sys

import click

from bench import __version__
from bench.errors import NimbenchError

VERBS = ("run", "plan", "pin", "align", "doctor", "list", "report", "load", "calibrate", "image")


class LazyVerbs(click.Group):
    """Imports `bench.cli.<verb>` only when the verb is named, so that `report` never loads the left half."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every verb, in the order of the README."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's click command, None for a word that is no verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"bench.cli.{cmd_name}_verb")
        command: click.Command = module.command
        return command


@click.command(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nimbench")
def nimbench() -> None:
    """Settle build or buy for one model on one GPU: NVIDIA's NIM, or a container of your own."""


def main() -> None:
    """Run a verb; a known error becomes one message on stderr and its exit code."""
    try:
        nimbench.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except NimbenchError as error:
        click.echo(f"nimbench: {error}", err=True)
        sys.exit(error.exit_code)

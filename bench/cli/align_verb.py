"""`nimbench align`: the scenario again, with custom arms that replay the NIM's own engine arguments."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from bench.cli.choices import require_modules, scenario_choices
from bench.cli.interrupts import Interrupts
from bench.cli.progress import PlainLines
from bench.engines.flags import groups
from bench.model import Scenario
from bench.scenario import load_scenario
from bench.scenario.loading import locate

# The adapter of the custom arm says these itself.
OWN_FLAGS = ("--served-model-name", "--max-model-len", "--host", "--port", "--model")


@click.command("align")
@scenario_choices()
@click.option("--json", "as_json", is_flag=True, help="Print the arguments and each edit as JSON alone.")
def command(scenario: str, mode: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Ask the NIM of SCENARIO how it starts its engine, and print the scenario with custom arms that do the same.

    The NIM's image is pulled where it is not here; `nim-serve --dry-run` loads no weights.
    """
    require_modules("docker", "httpx")
    from bench.preparing.aligning import align  # the container engine's SDK comes with the extra `run`

    question = load_scenario(scenario, mode=mode, sets=sets)
    with Interrupts().installed():  # what runs in a container ends with us
        found = align(question, PlainLines(sys.stderr))
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    click.echo(aligned_text(locate(scenario), question, found), nl=False)
    for arm, one in found.items():
        for kind in ("edits", "differences"):
            for text in one[kind]:
                click.echo(f"nimbench: {arm}: {kind[:-1]}: {text}", err=True)


def aligned_text(path: Path, scenario: Scenario, found: dict[str, Any]) -> str:
    """scenario.yaml with its comments, only `args` of the custom arms replaced."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)  # as the scenarios of this project are written
    document = yaml.load(path.read_text(encoding="utf-8"))
    for arm, one in found.items():
        document["arms"][arm]["args"] = own_args(one["aligned"], scenario.serve_args)
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def own_args(aligned: Sequence[str], serve_args: Sequence[str]) -> list[str]:
    """Of the NIM's arguments those that the custom arm does not get anyway."""
    shared = groups(serve_args)
    wanted = [group for group in groups(aligned) if group[0] not in OWN_FLAGS and group not in shared]
    return [word for group in wanted for word in (["=".join(group)] if len(group) == 2 else group)]

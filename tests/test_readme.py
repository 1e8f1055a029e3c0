"""The README is held to: its scenario loads, every verb is in it and has help, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.cli import VERBS, nimbench
from bench.scenario import load_scenario
from bench.vocabulary import Verdict

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def command(verb: str) -> click.Command:
    found = nimbench.get_command(click.Context(nimbench), verb)
    assert found is not None, verb
    return found


def test_example_scenario_loads_as_it_stands(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    folder = tmp_path / "threads"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(text)
    scenario = load_scenario(str(folder))
    assert scenario.baseline == "one-thread"
    assert [stage.id for stage in scenario.load.stages] == ["c1", "c4"]
    assert (scenario.launches.blocks, scenario.launches.burn_in) == (3, 1)
    assert scenario.margins == {"output_tokens_per_s": 0.05}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("scenarios/*/scenario.yaml")))
def test_every_scenario_is_in_the_readme_and_loads(name: str) -> None:
    assert f"`{name}`" in README
    assert load_scenario(name).name == name


def parts(verb: click.Command) -> list[click.Command]:
    """The verb itself, or what it is made of."""
    if not isinstance(verb, click.Group):
        return [verb]
    context = click.Context(verb)
    found = [verb.get_command(context, name) for name in verb.list_commands(context)]
    assert None not in found
    return [one for one in found if one]


@pytest.mark.parametrize("verb", VERBS)
def test_verb_is_in_the_readme_and_has_help(verb: str) -> None:
    assert re.search(rf"^\| `{verb}[ `]", README, re.MULTILINE), f"README's table lacks {verb}"
    assert command(verb).help
    shown = CliRunner().invoke(nimbench, [verb, "--help"])
    assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for_and_json_is_one(verb: str) -> None:
    for one in parts(command(verb)):
        options = [option for option in one.params if isinstance(option, click.Option)]
        assert [option.name for option in options if not option.help] == []
        assert any("--json" in option.opts for option in options), one.name


def test_every_verdict_is_explained() -> None:
    assert [verdict for verdict in Verdict if f"`{verdict}`" not in README] == []


def test_every_link_to_a_file_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_make_target_in_the_readme_exists() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", README, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets

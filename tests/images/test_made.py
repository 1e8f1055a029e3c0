"""Bases that this host makes itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InputError, PrerequisiteError
from bench.events import Event
from bench.images.made import LABEL, ensure_made, made_tag, recipe_of
from tests.dockerside import requires_docker

RECIPE = """# {word}
mkdir root
echo {word} > root/word
tar -C root -cf "$1" .
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "_images").mkdir()
    (tmp_path / "one").mkdir()
    return tmp_path / "one"


@pytest.fixture
def recipe(scenario: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = scenario.parent / "_images" / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def name(client: Any) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    yield name
    for image in client.images.list(filters={"label": f"{LABEL}={name}"}):
        client.images.remove(image.id, force=True)


@requires_docker
def test_a_made_image_is_made_once_and_again_when_its_recipe_changes(
    client: Any, scenario: Path, recipe: Callable[[str, str], Path], name: str
) -> None:
    events: list[Event] = []
    recipe(f"{name}.sh", RECIPE.format(word="one"))
    first = ensure_made(name, str(scenario), events.append, client)
    assert ensure_made(name, str(scenario), events.append, client) == first
    recipe(f"{name}.sh", RECIPE.format(word="two"))
    second = ensure_made(name, str(scenario), events.append, client)
    assert second.id != first.id and second.reference != first.reference
    assert len(events) == 2
    assert first.labels[LABEL] == name


@requires_docker
def test_what_a_recipe_says_last_is_the_error(
    client: Any, scenario: Path, recipe: Callable[[str, str], Path], name: str
) -> None:
    recipe(f"{name}.sh", "echo this tool is not installed\nexit 3\n")
    with pytest.raises(PrerequisiteError, match="this tool is not installed"):
        ensure_made(name, str(scenario), client=client)


def test_an_unknown_name_is_told_with_the_known_ones(scenario: Path) -> None:
    with pytest.raises(InputError, match="debian-bookworm"):
        recipe_of("debian-none", str(scenario))


def test_a_recipe_beside_the_scenario_comes_before_ours(scenario: Path, recipe: Callable[[str, str], Path]) -> None:
    own = recipe("debian-bookworm.sh", "exit 1\n")
    assert recipe_of("debian-bookworm", str(scenario)) == own
    ours = recipe_of("debian-bookworm", str(scenario.parent))
    assert ours != own
    assert made_tag("debian-bookworm", ours).startswith("nimbench/made-debian-bookworm:")

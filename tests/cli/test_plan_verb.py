"""`nimbench plan` shows everything and starts nothing."""

import json

import pytest

from tests.cli.nimbench import nimbench
from tests.scenario.sample import TEXT, write


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "s", TEXT.replace('HERE: "${scratch}"', "NGC_API_KEY: nvapi-very-secret, X: nvapi-very-secret"))
    return tmp_path


def test_plan_shows_launches_commands_ports_time_and_disk(folder):
    done = nimbench("plan", "s", cwd=folder)
    assert done.returncode == 0, done.stderr
    for text in ("--port=18400", "port 18402", "nginx -c", "0 (burn-in)", "= 6 launches", "Nothing was started."):
        assert text in done.stdout


def test_plan_as_json_is_json_alone(folder):
    done = nimbench("plan", "s", "--json", "--mode", "smoke", "--set", "launches.blocks=2", cwd=folder)
    document = json.loads(done.stdout)
    assert document["mode"] == "smoke"
    assert [launch["block"] for launch in document["launches"]] == [0, 0, 1, 1]
    assert document["arms"]["hop"]["ports"] == {"engine": 18401, "nginx": 18402}
    assert document["expected_s"] > 0
    config = document["arms"]["hop"]["commands"][1]["files"]
    assert any("listen 18402" in text for text in config.values())


def test_a_secret_is_never_shown(folder):
    done = nimbench("plan", "s", "--json", cwd=folder)
    assert "NGC_API_KEY" in done.stdout
    assert "nvapi-very-secret" not in done.stdout + done.stderr


def test_a_container_arm_is_planned_with_the_word_that_run_will_refuse(folder):
    write(folder / "s", TEXT.replace("side: buy}", "side: buy, image: 'x:1'}"))
    done = nimbench("plan", "s", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "not part of this version" in done.stdout


def test_plan_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    nimbench("plan", "s", "--json", cwd=folder, NIMBENCH_CACHE=str(folder / "cache"))
    assert sorted(folder.rglob("*")) == before

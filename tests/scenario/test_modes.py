"""Layers: preset, scenario, mode, --set; the last one wins."""

import pytest

from bench.errors import InputError
from bench.scenario import load_scenario
from bench.scenario.modes import PRESETS
from tests.scenario.sample import TEXT, write


@pytest.fixture
def folder(tmp_path):
    return str(write(tmp_path / "s"))


def test_keys_of_the_scenario_override_its_preset(folder):
    scenario = load_scenario(folder)
    assert scenario.launches.mode == "quick"
    assert (scenario.launches.blocks, scenario.launches.burn_in) == (2, PRESETS["quick"]["launches"]["burn_in"])
    assert scenario.load.warmup_s == 20.0


def test_another_mode_replaces_how_often_and_how_long(folder):
    scenario = load_scenario(folder, mode="standard")
    assert (scenario.launches.mode, scenario.launches.blocks) == ("standard", 6)
    assert [stage.duration_s for stage in scenario.load.stages] == [120.0, 120.0]


def test_another_mode_keeps_the_points_and_all_else(folder):
    scenario = load_scenario(folder, mode="publish")
    assert [stage.id for stage in scenario.load.stages] == ["c1", "c4"]
    assert scenario.launches.cooldown_s == 0.5


def test_a_scenario_may_say_otherwise_for_a_mode(folder):
    scenario = load_scenario(folder, mode="smoke")
    assert [stage.duration_s for stage in scenario.load.stages] == [2.0, 2.0]
    assert (scenario.load.warmup_s, scenario.launches.blocks, scenario.launches.burn_in) == (1.0, 1, 0)


def test_naming_the_scenarios_own_mode_changes_nothing(folder):
    assert load_scenario(folder, mode="quick") == load_scenario(folder)


def test_without_stages_the_preset_gives_the_points(tmp_path):
    text = TEXT.replace("    - {concurrency: 1, duration: 5s}\n    - {concurrency: 4, duration: 1m}\n", "")
    text = text.replace("  stages:\n", "").replace("stage: c4", "stage: c16")
    stages = load_scenario(str(write(tmp_path / "s", text))).load.stages
    assert [(stage.id, stage.duration_s) for stage in stages] == [("c1", 60.0), ("c16", 60.0), ("c64", 60.0)]


@pytest.mark.parametrize("mode", PRESETS)
def test_every_mode_resolves(folder, mode):
    assert load_scenario(folder, mode=mode).launches.mode == mode


def test_set_comes_last(folder):
    sets = ["load.duration=9s", "launches.blocks=7", "margins.ttft_p50_s=12%", "load.stages.1.duration_s=3"]
    scenario = load_scenario(folder, mode="smoke", sets=sets)
    assert [stage.duration_s for stage in scenario.load.stages] == [9.0, 3.0]
    assert scenario.launches.blocks == 7
    assert scenario.margins == {"output_tokens_per_s": 0.05, "ttft_p50_s": 0.12}


def test_set_takes_lists_and_makes_what_is_not_there(folder):
    scenario = load_scenario(folder, sets=["serve_args=[--a, 1]", "arms.plain.env.X=1", "cost.gpu_hour_usd=2.5"])
    assert scenario.serve_args == ("--a", "1")
    assert scenario.arms[0].env == {"X": "1"}
    assert scenario.cost.gpu_hour_usd == 2.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("load.timeout", "not a key=value"),
        ("load..timeout=5s", "not a key=value"),
        ("lod.timeout=5s", "Did you mean 'load'"),
        ("load.timeout=5", "wrong unit"),
        ("load.stages.7.duration=5s", "from 0 to 1"),
        ("load.stages.x.duration=5s", "from 0 to 1"),
        ("summary.x=1", "not inside a mapping"),
        ("summary=[", "not YAML"),
        ("launches.mode=smoke", "--mode smoke"),
        ("modes.smoke.load.duration=1s", "comes after the modes"),
        ("launches.blocks=0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_set_is_named_as_it_was_typed(folder, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_scenario(folder, sets=[text])
    assert f"--set {text}" in str(caught.value)


def test_an_unknown_mode_is_refused(folder):
    with pytest.raises(InputError, match="Did you mean 'quick'"):
        load_scenario(folder, mode="quik")

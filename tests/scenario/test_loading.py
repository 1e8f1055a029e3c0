"""What a scenario file becomes."""

from pathlib import Path

import pytest

from bench.errors import InputError
from bench.scenario import find_scenarios, load_scenario
from bench.vocabulary import Question, RuntimeKind
from tests.scenario.sample import TEXT, write


def test_values_with_units_become_seconds_and_shares(tmp_path):
    scenario = load_scenario(str(write(tmp_path / "s")))
    assert [stage.duration_s for stage in scenario.load.stages] == [5.0, 60.0]
    assert scenario.launches.cooldown_s == 0.5
    assert scenario.margins == {"output_tokens_per_s": 0.05}
    assert scenario.slo == {"ttft_p99_s": 0.3}


def test_defaults_are_resolved(tmp_path):
    scenario = load_scenario(str(write(tmp_path / "s")))
    assert scenario.name == "s"
    assert scenario.folder == str(tmp_path / "s")
    assert scenario.question is Question.CONTAINER
    assert [stage.id for stage in scenario.load.stages] == ["c1", "c4"]
    assert [arm.name for arm in scenario.arms] == ["plain", "hop"]
    assert scenario.cost.gpu_hour_usd is None


def test_a_sidecar_carries_its_template_and_the_entry_names_it(tmp_path):
    hop = load_scenario(str(write(tmp_path / "s"))).arms[1]
    assert hop.entry == "nginx"
    assert hop.also[0].command[0] == "nginx"
    assert "${nginx_port}" in hop.also[0].files["nginx.conf"]
    assert hop.args == ("--parallel", "4")


@pytest.mark.parametrize(
    ("keys", "runtime"),
    [
        ("", RuntimeKind.PROCESS),
        ("url: http://127.0.0.1:8000/", RuntimeKind.ENDPOINT),
        ("image: nvcr.io/nim/x:1", RuntimeKind.DOCKER),
        ("build: {context: custom}", RuntimeKind.DOCKER),
    ],
)
def test_the_runtime_follows_from_how_an_arm_is_given(tmp_path, keys, runtime):
    text = TEXT.replace("plain: {engine: llamacpp, side: buy}", f"plain: {{engine: llamacpp, side: buy, {keys}}}")
    folder = write(tmp_path / "s", text)
    (folder / "custom").mkdir()
    (folder / "custom" / "Dockerfile").write_text("FROM scratch\n")
    assert load_scenario(str(folder)).arms[0].runtime is runtime


def test_with_one_stage_the_primary_metric_needs_no_stage(tmp_path):
    text = TEXT.replace("    - {concurrency: 1, duration: 5s}\n", "").replace(", stage: c4", "")
    assert load_scenario(str(write(tmp_path / "s", text))).primary.stage == "c4"


def test_a_start_up_metric_has_no_stage(tmp_path):
    write(tmp_path / "s", primary="primary: {metric: start_to_ready_s}")
    assert load_scenario(str(tmp_path / "s")).primary.stage is None


def test_packages_become_an_absolute_path(tmp_path):
    text = TEXT.replace("side: buy}", "side: buy, packages: requirements.lock}")
    write(tmp_path / "s", text)
    (tmp_path / "s" / "requirements.lock").write_text("")
    assert load_scenario(str(tmp_path / "s")).arms[0].packages == str(tmp_path / "s" / "requirements.lock")


def test_a_scenario_is_found_by_name_by_folder_and_by_file(tmp_path, monkeypatch):
    folder = write(tmp_path / "scenarios" / "mine")
    monkeypatch.chdir(tmp_path)
    assert load_scenario("mine") == load_scenario(str(folder)) == load_scenario("scenarios/mine/scenario.yaml")
    assert "mine" in [found.name for found in find_scenarios()]


def test_a_name_that_is_nearly_right_is_suggested(tmp_path, monkeypatch):
    write(tmp_path / "scenarios" / "chatty")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Did you mean 'chatty'"):
        load_scenario("chaty")


def test_a_scenario_that_cannot_be_read_is_still_listed(tmp_path, monkeypatch):
    folder = write(tmp_path / "scenarios" / "broken", text="a: [")
    monkeypatch.chdir(tmp_path)
    found = next(found for found in find_scenarios() if found.folder == str(folder))
    assert found.summary is None
    assert "not YAML" in (found.problem or "")


def test_aliases_within_reason_are_filled_in(tmp_path):
    text = TEXT.replace("plain: {engine", "plain: &p {engine").replace("launches:", "notice: x\nlaunches:")
    text = text.replace("  hop:\n", "  again: *p\n  hop:\n")
    assert [arm.name for arm in load_scenario(str(write(tmp_path / "s", text))).arms] == ["plain", "again", "hop"]


def test_every_scenario_of_this_repository_is_right():
    ours = [found for found in find_scenarios() if Path(found.folder).parents[1] == Path(__file__).parents[2]]
    for found in ours:
        assert load_scenario(found.folder).summary == found.summary

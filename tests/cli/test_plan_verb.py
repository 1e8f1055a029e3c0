"""`nimbench plan` shows everything and starts nothing."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.nimbench import nimbench
from tests.scenario.sample import TEXT, write

ROOT = Path(__file__).parents[2]


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


def test_every_mode_has_its_time(folder):
    modes = json.loads(nimbench("plan", "s", "--json", cwd=folder).stdout)["modes"]
    assert list(modes) == ["smoke", "quick", "standard", "publish"]
    times = [modes[mode]["expected_s"] for mode in ("quick", "standard", "publish")]
    assert times == sorted(times)


def test_a_mode_that_the_scenario_rules_out_is_told_from_the_others(folder):
    text = TEXT.replace("smoke: {load: {duration: 2s, warmup: 1s}}", "smoke: {load: {stages: [{concurrency: 2}]}}")
    write(folder / "s", text)
    modes = json.loads(nimbench("plan", "s", "--json", cwd=folder).stdout)["modes"]
    assert "stage" in modes["smoke"]["problem"]
    assert modes["quick"]["launches"] > 0


def test_a_server_that_runs_already_is_only_named(folder):
    write(folder / "s", TEXT.replace("side: buy}", "side: buy, url: 'http://127.0.0.1:9'}"))
    done = nimbench("plan", "s", cwd=folder)
    assert "http://127.0.0.1:9 already runs: nothing is started" in done.stdout


@pytest.fixture(scope="module")
def gpu_plan():
    """`nimbench plan llama-h100`: on a host without that GPU the lines hold a placeholder for it."""
    done = nimbench("plan", "llama-h100", "--json", cwd=ROOT, NGC_API_KEY="nvapi-canary-of-the-plan")
    assert done.returncode == 0, done.stderr
    assert "nvapi-canary" not in done.stdout
    return json.loads(done.stdout)


def docker_words(line):
    words = shlex.split(line)
    assert words[:3] == ["docker", "run", "--rm"]
    return words[3:]


def test_a_nim_is_started_as_its_documentation_says_but_for_what_a_measurement_needs(gpu_plan):
    """ENGINES.md, Run: `docker run --gpus all --shm-size=16GB -e NGC_API_KEY -v CACHE:/opt/nim/.cache -p 8000:8000`."""
    words = docker_words(gpu_plan["arms"]["nim"]["commands"][0]["line"])
    port = gpu_plan["arms"]["nim"]["ports"]["engine"]
    assert any(word.startswith("--gpus=") for word in words)
    assert f"--publish=127.0.0.1:{port}:8000" in words  # not 0.0.0.0
    assert "--shm-size=17179869184" in words
    assert any(word.startswith("--mount=type=volume") and "target=/opt/nim/.cache" in word for word in words)
    image = next(index for index, word in enumerate(words) if word.startswith("nvcr.io/nim/"))
    assert "@sha256:" in words[image]
    assert words[image + 1] == "nim-serve"
    assert not [word for word in words if "NGC_API_KEY" in word]  # measured starts see no key
    assert not {"--privileged", "--user", "-u"} & set(words)


def test_only_the_step_that_downloads_may_see_a_key(gpu_plan):
    nim = gpu_plan["arms"]["nim"]
    prepare = docker_words(next(step["line"] for step in nim["before"] if step["name"] == "prepare"))
    assert "--env=NGC_API_KEY" in prepare
    assert "download-to-cache" in prepare
    assert not [word for word in prepare if word.startswith("--publish")]
    assert nim["secrets"] == {"prepare_optional": ["NGC_API_KEY"]}


def test_both_arms_read_the_same_volume_and_only_one_may_write(gpu_plan):
    lines = {name: docker_words(arm["commands"][0]["line"]) for name, arm in gpu_plan["arms"].items()}
    mounts = {name: [word for word in words if "target=/opt/nim/.cache" in word] for name, words in lines.items()}
    assert mounts["custom"] == [f"{mounts['nim'][0]},readonly"]


def test_how_the_images_come_here_is_shown(gpu_plan):
    nim, custom = (gpu_plan["arms"][name]["before"] for name in ("nim", "custom"))
    assert [step["name"] for step in nim] == ["pull", "prepare"]
    assert nim[0]["line"].startswith("docker pull nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.12@sha256:")
    assert [step["name"] for step in custom] == ["build"]
    assert "DOCKER_BUILDKIT=1 docker build --tag=nimbench/llama-h100-custom:built" in custom[0]["line"]


def test_what_a_plan_cannot_know_is_said(gpu_plan):
    notes = "\n".join(gpu_plan["open"])
    assert "1 × NVIDIA H100 80GB HBM3" in notes
    assert "server on gpu-numa-node, load on rest" in notes
    assert "the image of custom" in notes


def test_plan_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    nimbench("plan", "s", "--json", cwd=folder, NIMBENCH_CACHE=str(folder / "cache"))
    assert sorted(folder.rglob("*")) == before

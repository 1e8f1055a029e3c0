"""Whole runs with containers as a user types them: one that works, and one for each way in which a NIM fails."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.dockerhost.labels import RUN
from bench.store.reader import load_run
from bench.vocabulary import LaunchStatus, RunStatus
from tests.cli.test_run_verb import free_port_pair
from tests.dockerside import requires_docker
from tests.registry import registry_running

pytestmark = [requires_docker, pytest.mark.slow, pytest.mark.timeout(2400)]
SCENARIOS = Path(__file__).parents[2] / "scenarios"
KEY = "nvapi-canary-9f2c71d4"
STAND_IN_FIRST = "launches.seed=5"  # of the plan
SHORT = ("launches.blocks=1", "launches.burn_in=0", "load.stages=[{concurrency: 1, duration: 2s}]", STAND_IN_FIRST)


@pytest.fixture
def volume(client, run_id):
    """A cache volume of this test alone."""
    return client.volumes.create(labels={RUN: run_id}).name


@pytest.fixture
def run(tmp_path, volume):
    """`nimbench run SCENARIO` with these settings; keywords are its environment."""

    def ran(scenario, *sets, **environ):
        own = [f"arms.{arm}.mounts.0.volume={volume}" for arm in ("stand-in", "custom")]
        words = [word for one in (f"launches.port_base={free_port_pair()}", *own, *sets) for word in ("--set", one)]
        command = [sys.executable, "-m", "bench", "run", scenario, "--json", "--results", str(tmp_path / "results")]
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False, env=os.environ | environ)
        folders = list((tmp_path / "results").glob("*/*/run.json"))
        return done, (folders[0].parent if folders else None)

    return ran


def left_behind(client, folder):
    """Names of what carries the run's label."""
    filters = {"label": f"{RUN}={folder.name}"}
    return [container.name for container in client.containers.list(all=True, filters=filters)]


def kinds(folder):
    """Every failure that the run folder names: of the run, and of its launches."""
    told = [json.loads((folder / "run.json").read_text()).get("failure")]
    told += [json.loads(path.read_text()).get("failure") for path in sorted(folder.glob("launches/*/launch.json"))]
    return {failure["kind"] for failure in told if failure}


def holds(folder, *secrets):
    """Files of the folder with one of these in them."""
    wanted = [secret.encode() for secret in secrets]
    return [path for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in wanted)]


FAILURES = [
    ("no_compatible_profile", ["arms.stand-in.env.STAND_IN_MODE=no_compatible_profile"], "cannot run on this"),
    ("host_memory_kill", ["arms.stand-in.env.STAND_IN_MODE=oom", "container.memory=512m"], "for want of memory"),
    ("kv_cache_too_small", ["arms.stand-in.env.STAND_IN_MODE=kv_too_small"], "larger than the available KV cache"),
    ("timeout", ["arms.stand-in.env.STAND_IN_MODE=never_ready", "arms.stand-in.ready_timeout=4s"], "did not become"),
    ("crashed", ["arms.stand-in.env.STAND_IN_MODE=dies_under_load"], "died under load"),
    ("profile_invalid", [f"arms.stand-in.env.NIM_MODEL_PROFILE={'a' * 64} (llamacpp-q4_0-tp1-pp1)"], "64 digits"),
    ("auth", ["arms.stand-in.env.STAND_IN_HUB_NEEDS_KEY='1'"], "Export an NGC_API_KEY"),
]


@pytest.mark.parametrize(("kind", "sets", "words"), FAILURES, ids=[kind for kind, _, _ in FAILURES])
def test_a_failing_arm_ends_the_run_with_its_kind_its_words_and_nothing_left(client, run, kind, sets, words):
    done, folder = run("demo-docker", *SHORT, *sets, NGC_API_KEY="")
    assert done.returncode == 4, done.stderr[-3000:]
    assert words in done.stderr
    assert "repair: " in done.stderr
    assert "docker run" in done.stderr or kind == "no_compatible_profile"
    assert "Traceback (most recent call last):\n" not in done.stderr.split("last log lines:")[0]
    assert kinds(folder) == {kind}
    assert load_run(folder).run.status is RunStatus.FAILED
    assert left_behind(client, folder) == []


def test_a_cache_volume_that_another_user_filled_is_named_as_such(client, run, volume, tiny_image):
    client.containers.run(tiny_image, ["touch", "/cache/mine"], remove=True, volumes=[f"{volume}:/cache"])
    done, folder = run("demo-docker", *SHORT)
    assert done.returncode == 4
    assert "PermissionError: [Errno 13] Permission denied: '/opt/nim/.cache/ngc'" in done.stderr
    assert "named volume" in done.stderr
    assert kinds(folder) == {"cache_permission"}


def test_the_whole_demo_leaves_a_report_that_never_calls_the_stand_in_a_nim_and_never_shows_a_key(client, run, volume):
    sets = ("launches.blocks=2", "launches.burn_in=0", "arms.stand-in.env.STAND_IN_MODE=tells_the_key")
    done, folder = run("demo-docker", *sets, NGC_API_KEY=KEY)
    assert done.returncode == 0, done.stderr[-3000:]
    data = load_run(folder)
    assert data.run.status is RunStatus.COMPLETE
    assert [launch.launch.status for launch in data.launches] == [LaunchStatus.DONE] * 4
    assert "stand-in, not NVIDIA NIM" in (folder / "report.html").read_text()
    errors = [value for value in summary_values(folder) if value["metric"] == "error_ratio"]
    assert errors
    assert all(value["value"] == 0 for value in errors)
    assert left_behind(client, folder) == []
    assert client.volumes.get(volume)
    forms = (KEY, base64.b64encode(KEY.encode()).decode(), base64.b64encode(f"$oauthtoken:{KEY}".encode()).decode())
    assert holds(folder, *forms) == []
    assert not [form for form in forms if form in done.stdout + done.stderr]
    assert "Authorization: Bearer" in (folder / "prepare" / "stand-in-prepare.log").read_text()


def summary_values(folder):
    summary = json.loads((folder / "summary.json").read_text())
    return [value for arm in summary["arms"].values() for value in arm["values"]]


def test_arms_of_unequal_length_are_not_comparable_and_the_page_names_it(run):
    done, folder = run("demo-docker", *SHORT, "arms.custom.args=[--max-model-len=256]")
    assert done.returncode == 0, done.stderr[-3000:]
    comparisons = json.loads((folder / "summary.json").read_text())["comparisons"]
    primary = next(one for one in comparisons if one["role"] == "primary")
    assert primary["verdict"] == "not_comparable"
    assert "max_model_len" in primary["reason"]


def test_images_go_to_a_registry_with_a_password_and_come_back_layer_by_layer(client, run, tmp_path):
    with registry_running(tmp_path / "registry") as registry:
        sets = (*SHORT, f"registry={registry.address}", "coldstart.image_absent=once")
        done, folder = run("demo-docker", *sets, **registry.environ)
        assert done.returncode == 0, done.stderr[-3000:]
        images = json.loads((folder / "run.json").read_text())["images"]
        for image in images.values():
            assert image["push"]["digest"].startswith("sha256:")
            assert image["pull"]["layers"]
        assert holds(folder, registry.password) == []
        for image in images.values():
            client.images.remove(image["facts"]["reference"], force=True)


def test_a_registry_that_refuses_the_login_is_told_as_such(run, tmp_path):
    with registry_running(tmp_path / "registry") as registry:
        done, folder = run("demo-docker", *SHORT, f"registry={registry.address}", DOCKER_CONFIG=str(registry.no_login))
    assert done.returncode == 4
    assert kinds(folder) == {"auth"}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock's CPU wheel of torch is for Python 3.11")
def test_real_vllm_in_both_containers_with_unequal_settings_is_not_comparable(run):
    unequal = "arms.custom.args=[--max-model-len=256, --dtype=float16, --no-enable-prefix-caching]"
    done, folder = run("vllm-docker-cpu", *SHORT, unequal)
    assert done.returncode == 0, done.stderr[-3000:]
    comparisons = json.loads((folder / "summary.json").read_text())["comparisons"]
    primary = next(one for one in comparisons if one["role"] == "primary")
    assert primary["verdict"] == "not_comparable"
    for fact in ("max_model_len", "precision", "prefix_caching"):
        assert fact in primary["reason"]

"""The stand-in's image, started by Docker: what a NIM 2.x does from outside, and the ways in which it fails."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bench.dockerhost.labels import RUN
from bench.engines import get_engine
from bench.events import Event
from bench.preparing.images import prepare_images
from bench.runtimes.models import ensure_made, made_folder
from bench.scenario import load_scenario
from bench.vocabulary import FailureKind
from tests.dockerside import requires_docker

pytestmark = [requires_docker, pytest.mark.slow, pytest.mark.timeout(900)]
SCENARIO = Path(__file__).parents[2] / "scenarios" / "demo-docker"
CACHE = "/opt/nim/.cache"
KEY = "nvapi-canary-5b1f0e7c"
READY_S = 60


def silent(event: Event) -> None:
    pass


@pytest.fixture(scope="module")
def image(docker_engine, tmp_path_factory):
    """Id of the stand-in around llama.cpp, as demo-docker builds it; a second build takes seconds."""
    logs = tmp_path_factory.mktemp("logs")
    scenario = load_scenario(str(SCENARIO))
    return prepare_images(scenario, logs, silent, before={}, keep=lambda records: None)["stand-in"].facts.id


@pytest.fixture(scope="module")
def hub():
    """The model's folder on this host."""
    ensure_made("tiny-llama", str(SCENARIO))
    return str(made_folder("tiny-llama", str(SCENARIO)))


@pytest.fixture
def cache(client, run_id):
    """A new cache volume."""
    return client.volumes.create(labels={RUN: run_id}).name


@pytest.fixture
def start(client, image, hub, cache, run_id):
    """Starts a container of the image; keywords are its environment, in lower case those of Docker."""

    def started(*words, volume=cache, port=None, user=None, memory=None, **env):
        return client.containers.run(
            image,
            list(words),
            detach=True,
            environment=env,
            labels={RUN: run_id},
            mem_limit=memory,
            user=user,
            ports={"8000/tcp": ("127.0.0.1", port)} if port else None,
            volumes={volume: {"bind": CACHE, "mode": "rw"}, hub: {"bind": "/hub", "mode": "ro"}},
        )

    return started


@pytest.fixture
def run(start):
    """Starts one and waits for its end: exit code and output."""

    def finished(*words, **settings):
        container = start(*words, **settings)
        code = container.wait(timeout=120)["StatusCode"]
        return code, container.logs().decode()

    return finished


def kind_of(output):
    """The failure that the suite sees in this log."""
    engine = get_engine("nim")
    for row in engine.failure_patterns:
        if row.pattern.search(output):
            return row.kind
    return None


def get(port, path):
    """Status and text of an answer; status 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for(port, path, status):
    """Its text, once it answers so."""
    begin = time.monotonic()
    while time.monotonic() - begin < READY_S:
        found, text = get(port, path)
        if found == status:
            return text
        time.sleep(0.1)
    pytest.fail(f"{path} did not answer {status}")


def complete(port, tokens):
    body = json.dumps({"model": "tiny", "prompt": "one", "max_tokens": tokens, "ignore_eos": True}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_it_serves_like_a_nim_and_stops_when_it_is_told(run, start, free_port):
    assert run("download-to-cache")[0] == 0
    container = start("nim-serve", "--threads=1", port=free_port, NIM_LOG_LEVEL="INFO", NIM_SERVED_MODEL_NAME="tiny")
    wait_for(free_port, "/v1/health/ready", 200)
    assert json.loads(get(free_port, "/v1/models")[1])["data"][0]["id"] == "tiny"
    assert [complete(free_port, 8)["usage"]["completion_tokens"] for _ in range(40)] == [8] * 40
    assert "llamacpp:tokens_predicted_total" in get(free_port, "/v1/metrics")[1]
    assert get(free_port, "/metrics")[0] == 200
    for path in ("/v1/version", "/v1/metadata"):
        assert json.loads(get(free_port, path)[1])["notice"] == "stand-in, not NVIDIA NIM"
    container.stop(timeout=30)
    container.reload()
    log = container.logs().decode()
    assert container.attrs["State"]["ExitCode"] == 0
    assert "Selected profile: " in log
    assert "Shutting down services..." in log


def test_without_a_log_level_the_start_tells_nothing(run, start, free_port):
    run("download-to-cache")
    container = start("nim-serve", port=free_port)
    wait_for(free_port, "/v1/health/ready", 200)
    log = container.logs().decode()
    assert "Selected profile" not in log
    assert "loading model" not in log


def test_alive_is_not_ready(run, start, free_port):
    run("download-to-cache")
    start("nim-serve", port=free_port, STAND_IN_MODE="never_ready")
    wait_for(free_port, "/v1/health/live", 200)
    assert get(free_port, "/v1/health/ready")[0] == 503


def test_a_start_reads_the_cache_alone(run):
    code, output = run("nim-serve")
    assert code == 1
    assert kind_of(output) is FailureKind.DOWNLOAD


def test_a_user_of_group_0_may_do_what_the_image_s_own_user_may(run):
    assert run("download-to-cache", user="4321:0")[0] == 0


def test_a_volume_of_another_user_is_refused(client, run, cache, tiny_image):
    client.containers.run(tiny_image, ["touch", f"{CACHE}/mine"], remove=True, volumes=[f"{cache}:{CACHE}"])
    code, output = run("download-to-cache")
    assert code == 1
    assert "PermissionError: [Errno 13] Permission denied: '/opt/nim/.cache/ngc'" in output
    assert kind_of(output) is FailureKind.CACHE_PERMISSION


def test_a_hub_that_wants_a_key_says_so_in_the_words_of_a_client_and_takes_one(run):
    code, output = run("download-to-cache", STAND_IN_HUB_NEEDS_KEY="1")
    assert (code, kind_of(output)) == (1, FailureKind.AUTH)
    code, output = run("download-to-cache", STAND_IN_HUB_NEEDS_KEY="1", NGC_API_KEY=KEY)
    assert code == 0
    assert KEY not in output


def test_a_profile_with_its_description_behind_it_is_refused(run):
    listing = run("list-model-profiles")[1]
    row = next(line.strip(" -") for line in listing.splitlines() if "q4_0-tp1-pp1-1.0" in line)
    code, output = run("nim-serve", NIM_MODEL_PROFILE=row)
    assert (code, kind_of(output)) == (1, FailureKind.PROFILE_INVALID)


def test_no_compatible_profile(run):
    code, output = run("nim-serve", STAND_IN_MODE="no_compatible_profile")
    assert (code, kind_of(output)) == (1, FailureKind.NO_COMPATIBLE_PROFILE)


def test_a_kv_cache_too_small_for_one_request(run):
    run("download-to-cache")
    code, output = run("nim-serve", STAND_IN_MODE="kv_too_small", NIM_MAX_MODEL_LEN="512")
    assert (code, kind_of(output)) == (1, FailureKind.KV_CACHE_TOO_SMALL)


def test_out_of_memory_is_the_kernel_s_kill_and_never_without_a_limit(client, run, start):
    run("download-to-cache")
    container = start("nim-serve", memory="256m", STAND_IN_MODE="oom")
    container.wait(timeout=120)
    container.reload()
    state = container.attrs["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    code, output = run("nim-serve", STAND_IN_MODE="oom")
    assert code == 1
    assert "needs container.memory" in output


def test_it_dies_under_load_after_so_many_tokens(run, start, free_port):
    run("download-to-cache")
    env = {"STAND_IN_MODE": "dies_under_load", "STAND_IN_DIES_AFTER": "100"}
    container = start("nim-serve", port=free_port, **env)
    wait_for(free_port, "/v1/health/ready", 200)
    complete(free_port, 120)
    assert container.wait(timeout=60)["StatusCode"] == 139  # 128 + SIGSEGV


def test_the_engine_never_sees_the_key(run, start, free_port):
    run("download-to-cache")
    container = start("nim-serve", port=free_port, NGC_API_KEY=KEY)
    wait_for(free_port, "/v1/health/ready", 200)
    script = (
        "for pid in /proc/[0-9]*; do tr '\\0' '\\n' < $pid/environ | sed \"s|^|$(tr '\\0' ' ' < $pid/cmdline) |\"; done"
    )
    told = container.exec_run(["env", "-u", "NGC_API_KEY", "sh", "-c", script]).output.decode()
    engines = [line for line in told.splitlines() if "llamacpp_server.py" in line]
    assert engines
    assert not [line for line in engines if KEY in line]


def test_it_is_labelled_as_what_it_is(client, image):
    labels = client.images.get(image).labels
    assert labels["org.nimbench.stand-in"] == "stand-in, not NVIDIA NIM"
    assert not [name for name in labels if "nvidia" in name.lower()]

"""What the doctor says of the container engine: asked where it runs, and of addresses where none does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import doctor
from bench.doctor.docker import ask_engine, check_docker
from bench.errors import PrerequisiteError
from tests.dockerside import requires_docker
from tests.doctor.contained import contained


def checks(scenario):
    return {found.name: found for found in check_docker(scenario, ask_engine())}


def needing(scenario, **needs):
    return replace(scenario, host=replace(scenario.host, **needs))


@pytest.fixture
def scenario(tmp_path):
    return contained(tmp_path, "image: 'x:1'")


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")


def test_where_no_engine_answers_that_is_missing_and_the_rest_is_not_known(tmp_path, no_engine):
    found = checks(contained(tmp_path, "build: {context: custom}"))
    assert (found["Docker"].ok, found["Docker"].needed) == (False, True)
    assert found["Docker"].repair
    assert (found["BuildKit"].ok, found["BuildKit"].needed) == (False, False)
    assert any(name.startswith("disk for") for name in found)


def test_an_engine_on_another_host_is_refused(scenario, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert not checks(scenario)["Docker"].ok


def test_without_a_scenario_docker_is_good_to_know_only(tmp_path, no_engine):
    found = {check.name: check for check in doctor.check(None, results=tmp_path)}
    assert (found["Docker"].ok, found["Docker"].needed) == (False, False)


@requires_docker
def test_the_engine_is_held_against_the_least_version(scenario):
    assert checks(needing(scenario, docker_min="20.10"))["Docker"].ok
    old = checks(needing(scenario, docker_min="999.0"))["Docker"]
    assert (old.ok, old.needed) == (False, True)
    assert old.expected == "Docker Engine 999.0 or newer"


@requires_docker
def test_disk_is_asked_where_images_and_volumes_lie(scenario):
    found = [check for name, check in checks(scenario).items() if name.startswith("disk for")]
    assert found
    assert all(check.ok for check in found)
    wanting = [
        check
        for name, check in checks(needing(scenario, disk_min_bytes=1 << 60)).items()
        if name.startswith("disk for")
    ]
    assert not any(check.ok for check in wanting)


@requires_docker
def test_a_build_is_proven_and_an_arm_that_builds_nothing_needs_none(tmp_path, scenario):
    assert "BuildKit" not in checks(scenario)
    found = checks(contained(tmp_path / "b", "build: {context: custom}"))["BuildKit"]
    assert found.ok, found


@requires_docker
def test_everything_that_a_gpu_scenario_lacks_comes_at_once(tmp_path):
    with pytest.raises(PrerequisiteError) as caught:
        doctor.require(*_llama_h100(), results=tmp_path)
    for thing in ("GPU", "NVIDIA driver", "NVIDIA container toolkit"):
        assert thing in str(caught.value)


def _llama_h100():
    from bench.plan import make_plan
    from bench.scenario import load_scenario

    scenario = load_scenario("llama-h100", sets=["gpu.name=a card that nobody has", 'host.driver_min="9999"'])
    return needing(scenario, toolkit_min="9999"), make_plan(scenario)

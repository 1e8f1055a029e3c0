"""What the doctor says of one container arm: secrets by name, files to build from, folders to mount."""

from __future__ import annotations

import pytest

from bench.doctor.containers import container_checks
from tests.doctor.contained import contained


def checks(scenario):
    return {found.name: found for found in container_checks("arm plain", scenario.arms[0], scenario)}


def test_a_secret_that_the_download_needs_must_be_set(tmp_path, monkeypatch):
    scenario = contained(tmp_path, "image: 'x:1', prepare: [get], secrets: {prepare: {required: [NGC_API_KEY]}}")
    monkeypatch.delenv("NGC_API_KEY", raising=False)
    found = checks(scenario)["arm plain: NGC_API_KEY"]
    assert (found.ok, found.needed, found.found) == (False, True, "not set")
    monkeypatch.setenv("NGC_API_KEY", "nvapi-canary")
    found = checks(scenario)["arm plain: NGC_API_KEY"]
    assert found.ok
    assert "canary" not in str(found)


def test_a_secret_that_is_optional_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("NGC_API_KEY", raising=False)
    scenario = contained(tmp_path, "image: 'x:1', prepare: [get], secrets: {prepare: {optional: [NGC_API_KEY]}}")
    assert checks(scenario) == {}


def test_a_secret_of_the_build_must_be_set(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = checks(contained(tmp_path, "build: {context: custom, secrets: [HF_TOKEN]}"))
    assert not found["arm plain: HF_TOKEN"].ok
    assert found["arm plain: Dockerfile"].ok


def test_a_dockerfile_that_went_away_is_missed(tmp_path):
    scenario = contained(tmp_path, "build: {context: custom}")
    (tmp_path / "s" / "custom" / "Dockerfile").unlink()
    assert not checks(scenario)["arm plain: Dockerfile"].ok


def test_a_base_that_nothing_makes_is_missed_with_those_that_can_be_made(tmp_path):
    found = checks(contained(tmp_path, "build: {context: custom, base: {made: debian-of-tomorrow}}"))
    missing = found["arm plain: base debian-of-tomorrow"]
    assert (missing.ok, missing.needed) == (False, True)
    assert "debian-bookworm" in missing.expected
    made = checks(contained(tmp_path, "build: {context: custom, base: {made: debian-bookworm}}"))
    assert made["arm plain: base debian-bookworm"].ok


@pytest.mark.parametrize(("lock", "ok"), [("a==1 --hash=sha256:00\n", True), ("a>=1\n", False)])
def test_wheels_come_from_a_lock_that_fixes_every_byte(tmp_path, lock, ok):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "r.lock").write_text(lock)
    scenario = contained(tmp_path, "build: {context: custom, wheelhouse: r.lock}")
    assert checks(scenario)["arm plain: wheelhouse"].ok is ok


def test_a_folder_to_mount_must_be_there_unless_the_run_makes_it(tmp_path):
    mounts = "{path: '${folder}/data', target: /data}, {path: '${model_folder}', target: /model}"
    scenario = contained(tmp_path, f"image: 'x:1', mounts: [{mounts}, {{volume: v, target: /cache}}]")
    found = checks(scenario)
    assert [name for name, check in found.items() if not check.ok] == ["arm plain: mount /data"]
    assert "made before the first launch" in found["arm plain: mount /model"].found
    (tmp_path / "s" / "data").mkdir()
    assert checks(scenario)["arm plain: mount /data"].ok

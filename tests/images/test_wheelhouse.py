"""The wheels of a lock: for the image's Python, whole or not at all."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import PrerequisiteError
from bench.events import Event, silent
from bench.images.wheelhouse import ensure_wheelhouse, platform_tags, wheelhouse_folder

LOCK = Path(__file__).parents[2] / "requirements.lock"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))


def lock_of(folder: Path, package: str) -> str:
    """A lock of one package, with the hashes of the project's own."""
    block = re.search(rf"^{package}==.*(?:\n +--hash=.*)+", LOCK.read_text(), re.M)
    assert block
    path = folder / "requirements.lock"
    path.write_text(block.group(0) + "\n")
    return str(path)


def test_two_builders_bring_the_wheels_once(tmp_path: Path) -> None:
    lock, events = lock_of(tmp_path, "iniconfig"), list[Event]()
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: ensure_wheelhouse(lock, events.append, python="3.11"), range(2))
    assert one == two
    assert [path.suffix for path in one.iterdir()] == [".whl"]
    assert len(events) == 1


def test_the_wheels_are_of_the_images_python_whichever_runs_nimbench(tmp_path: Path) -> None:
    lock = lock_of(tmp_path, "markupsafe")
    names = [next(ensure_wheelhouse(lock, silent, python=python).iterdir()).name for python in ("3.12", "3.13")]
    assert ["cp312" in names[0], "cp313" in names[1]] == [True, True]


def test_another_hash_is_refused_with_pips_words_and_nothing_is_kept(tmp_path: Path) -> None:
    lock = Path(lock_of(tmp_path, "iniconfig"))
    lock.write_text(re.sub(r"sha256:\w{4}", "sha256:0000", lock.read_text()))
    with pytest.raises(PrerequisiteError, match="HASHES"):
        ensure_wheelhouse(str(lock), silent, python="3.11")
    folder = wheelhouse_folder(str(lock), "3.11")
    assert [path.name for path in folder.parent.iterdir()] == [f"{folder.name}.lock"]


def test_a_lock_that_is_not_there_is_a_prerequisite(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"none\.lock"):
        ensure_wheelhouse(str(tmp_path / "none.lock"), silent)


def test_no_wheel_for_a_newer_glibc_than_the_bases_have_is_taken() -> None:
    tags = list(platform_tags("x86_64"))
    assert tags[0] == "manylinux_2_35_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= set(tags)

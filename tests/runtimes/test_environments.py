"""An arm's own packages: built from a hash-locked file, once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import PrerequisiteError
from bench.runtimes.environments import COMPLETE, ensure_environment, env_folder, env_python

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))


def write_lock(folder: Path, change=lambda text: text) -> str:
    """One small pure package, with the hashes of the project's own lock."""
    block = re.search(r"^iniconfig==.*(?:\n +--hash=.*)+", (ROOT / "requirements.lock").read_text(), re.M)
    assert block
    path = folder / "requirements.lock"
    path.write_text(change(block.group(0)) + "\n")
    return str(path)


def test_no_packages_mean_nimbenchs_own_interpreter():
    assert env_python(None) == ensure_environment(None, lambda event: None) == sys.executable


def test_env_python_creates_nothing_and_depends_on_the_content(tmp_path):
    lock = write_lock(tmp_path)
    before = env_python(lock)
    assert not Path(before).exists()
    write_lock(tmp_path, lambda text: text + "\n# another")
    assert env_python(lock) != before


def test_a_half_built_environment_is_built_anew_and_a_complete_one_is_kept(tmp_path):
    lock, events = write_lock(tmp_path), []
    folder = env_folder(lock)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "half").touch()  # what a killed build leaves
    python = ensure_environment(lock, events.append)
    assert not (folder / "bin" / "half").exists()
    assert (folder / COMPLETE).exists()
    code = "import iniconfig; print(iniconfig.__file__)"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert str(folder) in found.stdout
    assert ensure_environment(lock, events.append) == python
    assert len(events) == 1


def test_a_wrong_hash_is_refused_with_pips_words_and_never_counts_as_built(tmp_path):
    lock = write_lock(tmp_path, lambda text: re.sub(r"sha256:\w{4}", "sha256:0000", text))
    with pytest.raises(PrerequisiteError, match="HASHES") as caught:
        ensure_environment(lock, lambda event: None)
    assert "--require-hashes" in str(caught.value)
    assert not (env_folder(lock) / COMPLETE).exists()


def test_a_missing_lock_is_a_prerequisite_error(tmp_path):
    with pytest.raises(PrerequisiteError, match=r"none\.lock"):
        env_python(str(tmp_path / "none.lock"))

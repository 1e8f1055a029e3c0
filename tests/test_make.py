"""The Makefile: its help is whole, its recipes are what the README says, and a wrong Python gets one clear message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    ours = ("MFLAGS", "SCENARIO", "MODE", "ARGS", "RUN", "PYTHON")  # `make test ARGS=…` exports them to its tests
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key not in ours}
    return subprocess.run(
        ["make", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that `make setup` needs, without a .venv."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def fake_python(folder: Path, *, fails_on: str, version: str) -> str:
    """A `python` that fails for the check whose source has `fails_on`, and passes the others."""
    file = folder / "python-fake"
    file.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) echo "Python {version}"; exit 0;; *"{fails_on}"*) exit 1;; esac\n'
    )
    file.chmod(0o755)
    return str(file)


def test_help_is_the_default_and_lists_every_target() -> None:
    listed = make().stdout
    assert {line.split()[0] for line in listed.splitlines()} == set(TARGETS)
    assert make("help").stdout == listed


def test_every_target_of_the_design_exists() -> None:
    wanted = {"setup", "bench", "test", "test-slow", "lint", "report", "benchmark", "clean"}
    assert wanted <= set(TARGETS)


def test_bench_passes_scenario_mode_and_arguments_on() -> None:
    planned = make("-n", "bench", "SCENARIO=demo-aa", "MODE=quick", "ARGS=--json").stdout
    assert "nimbench run demo-aa --mode quick --json" in planned


def test_bench_without_words_is_the_demo() -> None:
    assert re.search(r"nimbench run demo\s*$", make("-n", "bench").stdout, re.MULTILINE)


def test_test_and_test_slow_split_all_tests_between_them() -> None:
    assert '-m "not slow"' in make("-n", "test").stdout
    assert "-m slow" in make("-n", "test-slow").stdout


def test_report_without_a_run_says_what_to_type(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.complete").touch()
    done = make("report", folder=checkout)
    assert done.returncode == 2
    assert "make report RUN=results/" in done.stderr


def test_too_old_python_gets_one_message_and_leaves_nothing(checkout: Path) -> None:
    old = fake_python(checkout, fails_on="version_info", version="3.10.13")
    done = make("setup", f"PYTHON={old}", folder=checkout)
    assert done.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "3.10.13" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_python_that_does_not_exist_gets_the_same_message(checkout: Path) -> None:
    done = make("setup", "PYTHON=python-that-is-not-there", folder=checkout)
    assert done.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_python_without_venv_module_names_the_package(checkout: Path) -> None:
    bare = fake_python(checkout, fails_on="ensurepip", version="3.11.2")
    done = make("setup", f"PYTHON={bare}", folder=checkout)
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr


def recording_python(folder: Path) -> tuple[str, Path]:
    """A `python` that writes down how it is called and makes a .venv of itself: nothing is installed."""
    log = folder / "calls"
    file = folder / "python-recording"
    file.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\n'
        'case "$*" in "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/nimbench;; esac\n'
    )
    file.chmod(0o755)
    return str(file), log


def test_half_made_venv_is_made_anew_a_whole_one_kept_and_an_old_one_updated(checkout: Path) -> None:
    python, log = recording_python(checkout)
    (checkout / ".venv").mkdir()  # no stamp in it: its setup was cut off

    def calls_of_setup() -> str:
        log.unlink(missing_ok=True)
        done = make("setup", f"PYTHON={python}", folder=checkout)
        assert done.returncode == 0, done.stderr
        return log.read_text()

    assert "-m venv --clear .venv" in calls_of_setup()
    assert "-m venv" not in calls_of_setup()
    later = (checkout / ".venv/.complete").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    updated = calls_of_setup()
    assert "-m venv .venv" in updated
    assert "--no-deps --require-hashes -r requirements.lock" in updated
    assert "--no-deps --no-build-isolation --editable ." in updated


def test_setup_that_is_cut_off_leaves_no_stamp(checkout: Path) -> None:
    python, _ = recording_python(checkout)
    Path(python).write_text(Path(python).read_text() + 'case "$*" in *"pip install"*) exit 1;; esac\n')
    assert make("setup", f"PYTHON={python}", folder=checkout).returncode == 2
    assert not (checkout / ".venv/.complete").exists()

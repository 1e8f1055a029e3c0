"""An arm's own Python packages: an environment built from its hash-locked requirements, cached by content."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from bench.cache import cache_folder, locked
from bench.errors import PrerequisiteError
from bench.events import Event, Progress

COMPLETE = ".complete"  # written last: a folder without it was left half-built
ERROR_LINES = 12


def env_folder(packages: str) -> Path:
    """The environment of this lock on this Python and platform. Nothing is created."""
    try:
        lock = Path(packages).read_bytes()
    except OSError as error:
        raise PrerequisiteError(f"no requirements could be read: {error.strerror}", where=packages) from error
    place = f"{platform.python_implementation()} {platform.python_version()} {sys.platform} {platform.machine()}"
    return cache_folder() / "envs" / hashlib.sha256(lock + place.encode()).hexdigest()[:16]


def env_python(packages: str | None) -> str:
    """The interpreter that runs an arm with these packages; None = nimbench's own. Nothing is created."""
    return str(env_folder(packages) / "bin" / "python") if packages else sys.executable


def ensure_environment(packages: str | None, progress: Progress) -> str:
    """`env_python`, built when it is not there. Two builders wait for each other; a half-built one is built anew."""
    if packages is None:
        return sys.executable
    folder = env_folder(packages)
    if not (folder / COMPLETE).exists():
        with locked(folder.with_suffix(".lock")):
            if not (folder / COMPLETE).exists():
                build(folder, packages, progress)
    return env_python(packages)


def build(folder: Path, packages: str, progress: Progress) -> None:
    """In place, because an environment cannot be moved; COMPLETE makes it count."""
    progress(Event("run", f"building the Python environment of {Path(packages).parent.name}", {"packages": packages}))
    if folder.exists():
        shutil.rmtree(folder)
    python = str(folder / "bin" / "python")
    # our own pip fills it: an environment does not need one, and making one takes longer than most installs
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input"]
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)], packages)
    call([*pip, "install", "--require-hashes", "--no-deps", "--progress-bar=off", "-r", packages], packages)
    (folder / COMPLETE).write_text(Path(packages).read_text(encoding="utf-8"), encoding="utf-8")


def call(argv: list[str], packages: str) -> None:
    """Run one step; pip's last lines become the error."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = done.stdout.decode(errors="replace").strip().splitlines()[-ERROR_LINES:]
        raise PrerequisiteError(
            "the arm's Python environment could not be built\n" + "\n".join(f"    {line[:300]}" for line in lines),
            where=packages,
            repair=f"see that `pip install --require-hashes --no-deps -r {packages}` works in a new environment",
        )

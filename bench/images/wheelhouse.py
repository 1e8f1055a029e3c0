"""The wheels of a hash-locked requirements file, brought once and kept: a build needs no network for Python packages.

The choice of wheels depends on the lock, the image's Python and the processor, never on the Python that runs nimbench.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.cache import cache_folder, locked
from bench.errors import ArmError, PrerequisiteError
from bench.events import Event, Progress
from bench.vocabulary import FailureKind

NEWEST_GLIBC = 35  # 2.35, of Ubuntu 22.04: the oldest base that our images are built on
OLDEST_GLIBC = 5  # 2.5, as PEP 600 begins
ERROR_LINES = 12
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?\s*==", re.MULTILINE)


def wheelhouse_folder(lock: str, python: str) -> Path:
    """Where these wheels are kept. Nothing is created."""
    try:
        text = Path(lock).read_bytes()
    except OSError as error:
        raise PrerequisiteError(f"no requirements could be read: {error.strerror}", where=lock) from error
    place = f"cpython {python} {platform.machine()} glibc 2.{NEWEST_GLIBC}"
    return cache_folder() / "wheelhouses" / hashlib.sha256(text + place.encode()).hexdigest()[:16]


def ensure_wheelhouse(lock: str, progress: Progress, *, python: str | None = None) -> Path:
    """The folder, filled when it is not there. `python`: "3.11", of the image; None = the one that runs nimbench."""
    version = python or ".".join(platform.python_version_tuple()[:2])
    folder = wheelhouse_folder(lock, version)
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            progress(Event("run", f"bringing the wheels of {Path(lock).parent.name}/{Path(lock).name}", {"lock": lock}))
            bring(lock, version, folder)
    return folder


def bring(lock: str, python: str, folder: Path) -> None:
    """Into a folder beside its place, then moved there whole."""
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        download(lock, python, work)
        work.chmod(0o755)  # mkdtemp closes it to all others, and the step of a build may be another user's
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def download(lock: str, python: str, folder: Path) -> None:
    """With pip, from wherever this host's pip is told to look; every file by its hash."""
    argv = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--progress-bar=off",
        "--require-hashes", "--no-deps", "--only-binary=:all:", f"--python-version={python}", "--implementation=cp",
        *(f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")),
        *(f"--platform={tag}" for tag in platform_tags(platform.machine())),
        f"--requirement={lock}", f"--dest={folder}",
    ]  # fmt: skip
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = tuple(done.stdout.decode(errors="replace").strip().splitlines()[-ERROR_LINES:])
    if done.returncode and "No space left on device" in "\n".join(lines):
        raise ArmError(
            FailureKind.DISK_FULL,
            "the wheels of a build do not fit on the disk",
            repair=f"free space below {folder.parent}, or set NIMBENCH_CACHE to a larger disk",
            log_tail=lines,
        )
    wanted, found = len(_REQUIREMENT.findall(Path(lock).read_text(encoding="utf-8"))), len(list(folder.iterdir()))
    if done.returncode or found < wanted:
        raise PrerequisiteError(
            f"the wheels of a build could not be brought ({found} of {wanted})\n"
            + "\n".join(f"    {line[:300]}" for line in lines),
            where=lock,
            repair=f"see that `pip download --require-hashes --no-deps -r {lock}` works on this host, or lay the "
            "wheels into a folder wheelhouse/ beside the Dockerfile",
        )


def platform_tags(machine: str) -> Iterator[str]:
    """Every name under which a wheel for this processor and at most the newest glibc may be published."""
    yield from (f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1))
    yield from (f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1", "linux"))

"""Runs Docker's registry program for a parent, and takes it and its folder away when the parent is gone.

A program of its own, because a parent that is killed cannot clean up. Should this one be killed too, the kernel ends
the registry with it, and the next keeper removes the folder: the lock in it is held by nobody.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.cache import locked
from bench.images.child import parent_is_gone, read_spec, say

CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:0", relativeurls: true}}
"""  # no cache of blob descriptors: it would remember layers that a wipe took away
PR_SET_PDEATHSIG = 1
START_S, GRACE_S, LOOK_S = 20.0, 5.0, 0.25
PATH_AND_HOME = ("PATH", "HOME")  # REGISTRY_… variables of the user's would override the configuration
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Until the parent is gone, or the registry is."""
    signal.signal(signal.SIGTERM, lambda *_: exit_now())
    spec = read_spec()
    with folder_of_our_own(Path(spec["home"])) as folder, registry(spec["program"], folder) as process:
        port = listening_port(process, folder / "registry.log")
        if port is None:
            said = (folder / "registry.log").read_text(errors="replace").strip()[-400:]
            say(problem=f"{spec['program']} did not start: {said}", repair=f"try it by hand: {spec['program']} serve")
            return
        say(port=port, folder=str(folder), version=version_of(spec["program"]), pid=process.pid)
        while process.poll() is None and not parent_is_gone(spec, LOOK_S):
            continue


@contextmanager
def folder_of_our_own(home: Path) -> Iterator[Path]:
    """A new one, after those of the dead are removed; gone at the end."""
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / "making.lock"):
        for place in home.glob("run-*"):
            if is_abandoned(place):
                shutil.rmtree(place, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=home))
        (folder / "images").mkdir()
        lock = (folder / "kept.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def is_abandoned(folder: Path) -> bool:
    """Whether its keeper is dead."""
    try:
        with (folder / "kept.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # it died before it had a lock, or while it removed the folder
    return True


@contextmanager
def registry(program: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, serving the folder; it dies with us."""
    config, us = folder / "registry.yml", os.getpid()
    config.write_text(CONFIG.format(root=folder / "images"), encoding="utf-8")
    environ = {name: os.environ[name] for name in PATH_AND_HOME if name in os.environ}

    def die_with_us() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != us:
            os.kill(os.getpid(), signal.SIGKILL)

    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ, preexec_fn=die_with_us,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        process.kill()
        process.wait()


def listening_port(process: subprocess.Popen[bytes], log: Path) -> int | None:
    """It says itself which free port it took."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(0.02)
    return None


def version_of(program: str) -> str:
    """As it names itself: `docker-registry 2.8.2+ds1`."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=START_S)
    words = done.stdout.split()
    return f"{Path(program).name} {words[-1] if words else 'of an unknown version'}"


def exit_now(*_: Any) -> None:
    """A polite end: the folder goes too."""
    raise SystemExit(0)


if __name__ == "__main__":
    main()

"""A registry of the suite's own, on the loopback, for as long as a run needs it; nothing of it is left afterwards.

Docker's registry program keeps the images in a folder below the cache's; `wipe` empties it between two launches. A
Docker Engine of this host takes 127.0.0.0/8 without TLS. A rootless engine has a loopback of its own, and no way here.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.cache import cache_folder
from bench.errors import ArmError, PrerequisiteError
from bench.images.child import ChildProgram
from bench.vocabulary import FailureKind

PROGRAMS = ("docker-registry", "registry")  # Debian's name, and that of everybody else
HELLO_S = 30.0
IMAGES = "images"  # in the registry's folder: what `wipe` empties


class OwnRegistry:
    """`with OwnRegistry() as registry:` push to `registry.address`, pull from it, `registry.wipe()`."""

    def __init__(self) -> None:
        self.address = ""  # 127.0.0.1:PORT, once it runs
        self.port = 0
        self.program = ""  # as it names itself, for the record
        self._child: ChildProgram | None = None
        self._folder = Path()

    def __enter__(self) -> Self:
        home = registries_folder()
        self._child = ChildProgram(
            "bench.images.registry_keeper",
            {"program": find_registry(), "home": str(home)},
            hello_s=HELLO_S,
            errors=home / "last-start.log",
        )
        hello = self._child.hello
        self.port, self.program, self._folder = int(hello["port"]), str(hello["version"]), Path(hello["folder"])
        self.address = f"127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child:
            self._child.close()
        if self._folder.name:  # the keeper was killed before it could do so
            shutil.rmtree(self._folder, ignore_errors=True)

    def wipe(self) -> None:
        """No image is there any more. Nothing may be on its way at that moment; the registry runs on."""
        self._check()
        for place in (self._folder / IMAGES).iterdir():
            shutil.rmtree(place)

    @property
    def bytes_on_disk(self) -> int:
        """What the images occupy, layers shared by several of them once."""
        self._check()
        files = (path.lstat() for path in (self._folder / IMAGES).rglob("*") if path.is_file())
        return sum(found.st_blocks * 512 for found in files)

    def _check(self) -> None:
        if self._child is None or not self._child.lives:
            raise ArmError(
                FailureKind.CRASHED,
                "the suite's own registry is not running",
                repair="see whether the kernel killed it for memory (dmesg), and run again with --resume",
            )


def find_registry() -> str:
    """The program's path; PrerequisiteError where this host has none."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise PrerequisiteError(
        "the scenario wants a registry of nimbench's own, and the program is not installed",
        where="registry: own",
        expected=" or ".join(PROGRAMS),
        repair="apt-get install docker-registry, or name a registry of yours: --set registry=HOST:PORT",
    )


def registries_folder() -> Path:
    """Below it each registry that lives has a folder."""
    return cache_folder() / "registries"

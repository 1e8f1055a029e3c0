"""Builds an image twice without the cache and tells what differs: the test of whether a build is pinned.

| grade | two builds, one after the other                                                                         |
|-------|---------------------------------------------------------------------------------------------------------|
| A     | the same image id: the configuration and every byte of every layer are equal                            |
| B     | the same packages and the same content of every file, but for times and the files named in `MAY_DIFFER` |
| C     | something else differs, and is listed                                                                   |

Two builds within minutes prove no more than that: an unpinned name gives the same version until its next release.
SOURCE_DATE_EPOCH is given to both, as the time of the context's last commit or of its newest file; BuildKit before
0.11 leaves it unused, and then no build is better than B, because an image has the time of its making in it.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.container import Build, ImageFacts
from bench.dockerhost.errors import docker_errors
from bench.errors import ArmError
from bench.events import Event, Progress, silent
from bench.images.build import build_image
from bench.images.local import engine_of, image_facts
from bench.images.rebuilt import Print, SavedLayer, changed_packages, read_saved
from bench.vocabulary import FailureKind

EPOCH = "SOURCE_DATE_EPOCH"
REPOSITORY = "nimbench/rebuild"
SETTINGS = (
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Shell",
)
CREATED = "the configuration holds it; BuildKit before 0.11 takes no SOURCE_DATE_EPOCH in its place"
MAY_DIFFER: tuple[tuple[str, str], ...] = (  # path in the image, why nothing that runs depends on it
    (r"var/log/.*", "a log of the build, with its times"),
    (r"var/cache/ldconfig/aux-cache", "ldconfig notes the inode and time of each library"),
    (r"(.*/)?[^/]+\.pyc", "bytecode holds the time of its source; the source is compared itself"),
    (r"etc/machine-id|var/lib/dbus/machine-id", "made by chance, to tell machines apart"),
    (r"etc/g?shadow-?", "holds the day on which an account was made"),
    (r"var/lib/apt/lists/.*", "what the distribution offered at that time; what was installed is compared itself"),
    (r"var/cache/apt/.*", "apt's index of that list"),
    (r"var/lib/apt/extended_states|var/lib/apt/periodic/.*", "apt's own bookkeeping"),
    (r"var/cache/debconf/.*|var/lib/dpkg/[^/]+-old", "the state before the last step, kept as a backup"),
    (r"var/cache/fontconfig/.*", "holds the times of the folders of fonts"),
    (r"root/\.cache/.*|tmp/.*", "left over from the build; better not left at all"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that two builds of one Dockerfile made differently."""

    path: str  # in the image; "" for what is no file
    layer: int | None  # from the base up, from 0; None = the configuration
    why: str
    reason: str | None = None  # why it may; None = it may not


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What two builds had in common."""

    grade: str  # "A", "B" or "C"
    digests: tuple[str, str]  # the two image ids
    differing: tuple[Difference, ...] = ()  # what makes it a C
    named: tuple[Difference, ...] = ()  # what differs and may
    times: int = 0  # files and folders of which only the time differs
    packages: tuple[str, ...] = ()  # "name: version → version"
    layers: int = 0
    layers_equal: int = 0
    epoch_s: int = 0  # what SOURCE_DATE_EPOCH was
    tool: str = ""  # what built it

    @property
    def explained(self) -> str:
        """The grade in one sentence."""
        if self.grade == "A":
            return "Grade A: both builds gave the same image, byte for byte."
        same = f"{self.layers_equal} of {self.layers} layers are equal to the byte"
        if self.grade == "B":
            may = f"times of files that differ: {self.times}; other things that differ and may: {len(self.named)}"
            return f"Grade B: the same packages and files; {same}; {may}."
        count = len(self.differing)
        return (
            f"Grade C: {count} file{'s' * (count != 1)} or setting{'s' * (count != 1)} may not differ and do; {same}."
        )


def rebuild(
    build: Build, *, base: ImageFacts | None, arm: str, progress: Progress = silent, client: Any = None
) -> RebuildReport:
    """Both builds are removed again; BuildKit's cache keeps their steps, so it grows by the build's size, twice."""
    epoch_s = source_date(Path(build.context))
    dated = replace(build, args={EPOCH: str(epoch_s), **build.args})
    name = f"{REPOSITORY}:{secrets.token_hex(6)}"
    tags = [f"{name}-{number}" for number in (1, 2)]
    with engine_of(client) as engine, tempfile.TemporaryDirectory() as logs:
        try:
            tools = [_build(dated, tag, base, arm, Path(logs), progress, engine) for tag in tags]
            progress(Event("run", f"{arm}: comparing the two builds"))
            return replace(_compared(engine, tags, arm), epoch_s=int(dated.args[EPOCH]), tool=tools[0])
        finally:
            for tag in tags:
                _remove(engine, tag)


def source_date(context: Path) -> int:
    """Seconds since 1970 of the last commit that touched the folder; without one, of its newest file."""
    try:
        said = subprocess.run(
            ["git", "-C", str(context), "log", "-1", "--format=%ct", "--", "."],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        said = ""
    if said.isdigit():
        return int(said)
    return int(max((path.lstat().st_mtime for path in context.rglob("*")), default=0))


def compare_layers(first: Sequence[SavedLayer], second: Sequence[SavedLayer]) -> Iterator[Difference]:
    """Everything but times, in order of layers."""
    if len(first) != len(second):
        yield Difference(path="", layer=None, why=f"{len(first)} layers, then {len(second)}")
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        for path in sorted(one.files.keys() | other.files.keys()):
            if why := _why(one.files.get(path), other.files.get(path)):
                yield Difference(path=path, layer=index, why=why)


def changed_times(first: Sequence[SavedLayer], second: Sequence[SavedLayer]) -> int:
    """How many members are equal but for their time."""
    return sum(
        found is not None and found.modified_s != one.modified_s and _why(one, found) is None
        for layer, twin in zip(first, second, strict=False)
        for path, one in layer.files.items()
        for found in [twin.files.get(path)]
    )


def reason_of(path: str) -> str | None:
    """Why a file may differ; None for all others."""
    return next((reason for pattern, reason in MAY_DIFFER if re.fullmatch(pattern, path)), None)


def _build(
    build: Build, tag: str, base: ImageFacts | None, arm: str, logs: Path, progress: Progress, engine: Any
) -> str:
    log = logs / f"{tag[-1]}.log"
    _, record = build_image(
        build, tag=tag, base=base, arm=arm, log_path=log, time_cache=False, progress=progress, client=engine
    )
    return record.tool


def _compared(engine: Any, tags: Sequence[str], arm: str) -> RebuildReport:
    with docker_errors("compare two builds", arm):
        one, other = (engine.api.inspect_image(tag) for tag in tags)
    digests = (str(one["Id"]), str(other["Id"]))
    ids = [list(found["RootFS"].get("Layers") or ()) for found in (one, other)]
    equal = sum(a == b for a, b in zip(*ids, strict=False))
    report = RebuildReport(grade="A", digests=digests, layers=len(ids[0]), layers_equal=equal)
    if digests[0] == digests[1]:
        return report
    settings = list(_settings(one.get("Config") or {}, other.get("Config") or {}))
    named = (
        [Difference(path="", layer=None, why="the time of its making", reason=CREATED)]
        if one.get("Created") != other.get("Created")
        else []
    )
    if ids[0] == ids[1]:
        return replace(report, grade="C" if settings else "B", differing=tuple(settings), named=tuple(named))
    first, second = (_saved(engine, found["Id"], arm) for found in (one, other))
    found = list(compare_layers(first, second))
    differing = [*settings, *(each for each in found if reason_of(each.path) is None)]
    named += [replace(each, reason=reason) for each in found if (reason := reason_of(each.path))]
    packages = changed_packages(first, second)
    return replace(
        report,
        grade="C" if differing or packages else "B",
        differing=tuple(differing),
        named=tuple(named),
        times=changed_times(first, second),
        packages=packages,
    )


def _saved(engine: Any, image_id: str, arm: str) -> list[SavedLayer]:
    try:
        with docker_errors("read a built image", arm):
            return read_saved(engine.api.get_image(image_id))
    except ValueError as error:
        raise ArmError(FailureKind.BUILD_FAILED, f"arm {arm!r}: {error}", repair="build again") from error


def _settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Difference]:
    for name in SETTINGS:
        if (one.get(name) or None) != (other.get(name) or None):
            yield Difference(path="", layer=None, why=f"{name} of the image's configuration")


def _why(one: Print | None, other: Print | None) -> str | None:
    """What differs beside the time; None where nothing does."""
    if one is None or other is None:
        return f"only in the {'second' if one is None else 'first'} build"
    if one.kind != other.kind:
        return "another kind of file"
    if one.sha256 != other.sha256:
        return f"content ({one.size_bytes:,} bytes, then {other.size_bytes:,})"
    if one.link != other.link:
        return f"a link to {one.link}, then to {other.link}"
    if one.mode != other.mode:
        return f"mode {one.mode:o}, then {other.mode:o}"
    if one.owner != other.owner:
        return f"owner {one.owner[0]}:{one.owner[1]}, then {other.owner[0]}:{other.owner[1]}"
    return None


def _remove(engine: Any, tag: str) -> None:
    """Only the name that was given here: where the same image has another one, it stays."""
    try:
        image_facts(engine, tag)
    except ArmError:  # it was never built
        return
    with docker_errors(f"remove {tag}", None):
        engine.images.remove(tag)

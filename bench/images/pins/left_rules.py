"""What a build leaves in the image that only the build needed: cache-left and build-tools-left.

Only the stages whose layers are in the image count: the last one, the stages that it builds on, and those that it
copies as a whole. A layer keeps what it holds: removing something in a later RUN hides it and frees nothing, so only
the RUN that brings a thing can take it away. A cache mount is never a part of a layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.anatomy import PinFinding
from bench.images.pins.grade import found
from bench.images.pins.installers import Call, call_of
from bench.images.pins.shell import Command
from bench.images.pins.shell_rules import apt_names, shown
from bench.images.pins.shell_words import program_name
from bench.images.pins.stages import Step
from bench.vocabulary import PinRule

TOOLS = re.compile(
    r"""build-essential|(gcc|g\+\+|cpp|gfortran|clang|llvm|gcc-multilib)(-\d+(\.\d+)*)?|binutils|make|cmake|ninja-build|
    meson|autoconf|automake|libtool|pkg-config|pkgconf|bison|flex|swig|git|rustc|cargo|golang(-go)?|
    cuda-(toolkit|compiler|nvcc|libraries-dev|minimal-build|command-line-tools)(-\d+-\d+)?|cuda|nvidia-cuda-toolkit|
    (?!(?:shared-mime-)).*-dev(-\d+(-\d+)?)?|(gcc|gxx|gfortran)_linux-64|gxx|compilers|(c|cxx|fortran)-compiler|cuda-nvcc""",
    re.VERBOSE,
)
VERSION_BEHIND = re.compile(r"-(\d+:)?\d\w*\.[\w.+^-]*\Z")  # dnf's gcc-11.5.0-2.el9
INSTALL, REMOVE = {"install", "add", "reinstall"}, {"purge", "remove", "autoremove", "del", "erase"}
LATER = " (removing it in a later RUN frees nothing: the layer below keeps it)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Where one package manager keeps what it fetched, and how not to."""

    name: str
    managers: tuple[str, ...]
    verbs: tuple[str, ...]
    folders: tuple[str, ...]  # ends of paths; removed or mounted, nothing is left
    switches: tuple[str, ...] = ()  # options that keep none
    settings: tuple[str, ...] = ()  # variables that do the same
    place: str | None = None  # the variable that says where it is
    cleaned_by: tuple[str, ...] = ()  # the same manager's own verb
    repair: str = ""


CACHES = (
    Cache(
        name="apt's package lists",
        managers=("apt",),
        verbs=("update",),
        folders=("/var/lib/apt/lists", "/var/lib/apt", "/var/lib"),
        repair="end the same RUN with && rm -rf /var/lib/apt/lists/*, or mount a cache at /var/lib/apt",
    ),
    Cache(
        name="pip's cache",
        managers=("pip",),
        verbs=("install", "wheel", "download"),
        folders=("/.cache/pip", "/.cache"),
        switches=("--no-cache-dir",),
        settings=("PIP_NO_CACHE_DIR",),
        place="PIP_CACHE_DIR",
        cleaned_by=("cache purge",),
        repair="add --no-cache-dir, or RUN --mount=type=cache,target=/root/.cache/pip",
    ),
    Cache(
        name="uv's cache",
        managers=("uv",),
        verbs=("pip install", "pip sync", "add", "sync", "tool install", "tool run", "run"),
        folders=("/.cache/uv", "/.cache"),
        switches=("--no-cache", "--no-cache-dir", "-n"),
        settings=("UV_NO_CACHE",),
        place="UV_CACHE_DIR",
        cleaned_by=("cache clean", "clean"),
        repair="add --no-cache, or RUN --mount=type=cache,target=/root/.cache/uv",
    ),
    Cache(
        name="conda's packages",
        managers=("conda",),
        verbs=("install", "create", "env create", "env update", "update"),
        folders=("/pkgs",),
        place="CONDA_PKGS_DIRS",
        cleaned_by=("clean",),
        repair="end the same RUN with && conda clean --all --yes, or mount a cache over its pkgs folder",
    ),
    Cache(
        name="dnf's cache",
        managers=("dnf",),
        verbs=("install", "update", "upgrade", "makecache"),
        folders=("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5", "/var/cache", "/var/cache/zypp"),
        cleaned_by=("clean",),
        repair="end the same RUN with && dnf clean all",
    ),
    Cache(
        name="apk's index",
        managers=("apk",),
        verbs=("update",),
        folders=("/var/cache/apk", "/var/cache"),
        switches=("--no-cache",),
        repair="use apk add --no-cache, which needs no update",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """What the steps of a stage take away: in which step last."""

    caches: Mapping[str, int]  # a cache's name
    tools: Mapping[str, int]  # a package's name or pattern


def removals_of(runs: Sequence[Sequence[Command]]) -> Removals:
    """`runs` = the commands of each step."""
    caches, tools = dict[str, int](), dict[str, int]()
    for at, commands in enumerate(runs):
        for command in commands:
            caches |= dict.fromkeys((cache.name for cache in CACHES if _takes_away(command, cache)), at)
            call = call_of(command)
            tools |= dict.fromkeys(_removals([call] if call else []), at)
    return Removals(caches=caches, tools=tools)


def left_findings(step: Step, runs: Sequence[Command], at: int, removals: Removals, file: str) -> Iterator[PinFinding]:
    """Of the RUN that is step `at` of a stage whose layers are in the image."""
    calls = [call for command in runs if (call := call_of(command)) is not None]
    for cache in CACHES:
        used = [call for call in calls if _fills(call, cache)]
        if used and not _mounted(step, cache) and not _removed(used[-1], runs, cache):
            text = f"{cache.name} stays in the layer" + (LATER if removals.caches.get(cache.name, -1) > at else "")
            yield found(PinRule.CACHE_LEFT, file, used[0].command.line, text, cache.repair)
    yield from _tools(calls, [name for name, last in removals.tools.items() if last > at], file)


def _fills(call: Call, cache: Cache) -> bool:
    if call.manager not in cache.managers or call.verb not in cache.verbs:
        return False
    off = any(_is_on(call.command.settings.get(name)) for name in cache.settings)
    return not off and not any(word in cache.switches for word in call.words) and not _told_none(call)


def _is_on(value: str | None) -> bool:
    """As pip reads a switch: set to anything but a no."""
    return value is not None and value.strip().lower() not in ("", "0", "false", "no", "off", "n", "f")


def _told_none(call: Call) -> bool:
    """`--cache-dir=` in a place that is thrown away, or nothing that is run but a question."""
    return any(word in ("--dry-run", "--help", "--version", "-h", "--print-uris") for word in call.words)


def _mounted(step: Step, cache: Cache) -> bool:
    for name, value in step.instruction.flags:
        options = dict(option.partition("=")[::2] for option in value.split(",")) if name == "mount" else {}
        target = options.get("target") or options.get("dst") or options.get("destination") or ""
        if options.get("type") in ("cache", "tmpfs") and _is_place(target, cache, step.known):
            return True
    return False


def _is_place(path: str, cache: Cache, settings: Mapping[str, str]) -> bool:
    path = re.sub(r"/(\*|\{?\*.*)?\Z", "", path)
    own = settings.get(cache.place or "")
    if own and (path == own.rstrip("/") or own.startswith(path + "/")):
        return bool(path)
    return path != "" and any(
        path.endswith(folder) and (folder != "/var/lib" or path == folder) for folder in cache.folders
    )


def _removed(after: Call, runs: Sequence[Command], cache: Cache) -> bool:
    """Whether a command behind `after` takes the cache away."""
    passed = False
    for command in runs:
        if passed and _takes_away(command, cache):
            return True
        passed = passed or command is after.command
    return False


def _takes_away(command: Command, cache: Cache) -> bool:
    if program_name(command.words[0]) in ("rm", "find"):
        return any(_is_place(word, cache, command.settings) for word in command.words[1:] if not word.startswith("-"))
    call = call_of(command)
    if call is None or call.manager not in cache.managers:
        return False
    said = f"{call.verb} {call.words[0]}" if call.words else call.verb
    return call.verb in cache.cleaned_by or said in cache.cleaned_by


def _tools(calls: Sequence[Call], gone_later: Sequence[str], file: str) -> Iterator[PinFinding]:
    for at, call in enumerate(calls):
        if call.manager not in ("apt", "apk", "dnf", "conda") or call.verb not in (*INSTALL, "create"):
            continue
        names = [VERSION_BEHIND.sub("", re.split(r"[=/<>~]", word)[0]) for word in apt_names(call.words)]
        tools = [name for name in names if TOOLS.fullmatch(name)]
        gone = _removals(calls[at + 1 :])
        left = [tool for tool in tools if not any(fnmatchcase(tool, pattern) for pattern in gone)]
        if left and not _virtual(call, gone):
            late = any(fnmatchcase(tool, pattern) for tool in left for pattern in gone_later)
            text = f"{shown(left)} {'is' if len(left) == 1 else 'are'} in the image" + (LATER if late else "")
            repair = (
                "install what compiles in an earlier stage and copy its result, or purge it in the same RUN; "
                "an engine that compiles when it starts (torch.compile, Triton) needs its compiler"
            )
            yield found(PinRule.BUILD_TOOLS_LEFT, file, call.command.line, text, repair)


def _removals(calls: Sequence[Call]) -> list[str]:
    return [re.sub(r"\A\^|\$\Z", "", word) for call in calls if call.verb in REMOVE for word in apt_names(call.words)]


def _virtual(call: Call, gone: Sequence[str]) -> bool:
    """`apk add --virtual .deps …` that `apk del .deps` takes back."""
    words = list(call.words)
    marks = [words.index(option) + 1 for option in ("--virtual", "-t") if option in words]
    return call.manager == "apk" and any(at < len(words) and words[at] in gone for at in marks)

"""Packages of npm, yarn and pnpm: npm-not-pinned.

`name@1.2.3` is pinned, a tag or a range is not; without names the project's lock decides, if it is in the build
context. What `npx` runs is installed first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.anatomy import PinFinding
from bench.images.pins.build_context import LeavesContext
from bench.images.pins.grade import found
from bench.images.pins.installers import Call
from bench.images.pins.site import Site
from bench.vocabulary import PinRule

LOCKS = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
    "yarn": ("yarn.lock",),
    "pnpm": ("pnpm-lock.yaml",),
}
NODE = LOCKS.keys()
INSTALLS = {"install", "i", "add", "global add", "in", "ins", "isntall"}
RUNS = {"exec", "x", "dlx"}
MOVES_ALL = {"update", "upgrade", "up"}
VALUED = {"--prefix", "-C", "--registry", "--cache", "-w", "--workspace", "--loglevel", "--tag", "-p", "--package"}
_EXACT = re.compile(r"(@[^/@\s]+/)?[^@\s/]+@v?\d+\.\d+\.\d+[\w.+-]*")
_COMMIT = re.compile(r".*#[0-9a-f]{40}")
_FILE = re.compile(r"(\.{1,2}|~)?/|file:|\.\Z")


def node_findings(call: Call, site: Site) -> Iterator[PinFinding]:
    """Of one call."""
    line, what = call.command.line, f"{call.manager} {call.verb}".strip()
    names = [word for word in _names(call.words) if not _FILE.match(word)]
    names = [name for name in names if not name.startswith("$") or "$(" in name]  # a variable is the caller's
    if call.verb in MOVES_ALL:
        text = f"{what} takes the newest versions of that day"
        yield found(PinRule.NPM_NOT_PINNED, site.file, line, text, "install by a lock, or name@VERSION")
        return
    if call.verb in RUNS:
        names = names[:1] if "--no-install" not in call.words and "--no" not in call.words else []
    elif call.verb not in INSTALLS and (call.manager, call.verb) != ("yarn", ""):
        return
    elif not [word for word in call.words if not word.startswith("-")] and not _has_lock(call.manager, site):
        lock = LOCKS[call.manager][0]
        text = f"{what} without {lock} in the build context: the newest versions that fit, others at each build"
        yield found(PinRule.NPM_NOT_PINNED, site.file, line, text, f"make {lock} once, and copy it into the image")
    loose = [name for name in names if not _EXACT.fullmatch(name) and not _COMMIT.fullmatch(name)]
    if loose:
        text = f"{', '.join(name[:120] for name in loose[:6])}: any version may come, another one at each build"
        repair = f"write {loose[0][:120].rpartition('@')[0] or loose[0][:120]}@VERSION with the version that you tested"
        yield found(PinRule.NPM_NOT_PINNED, site.file, line, text, repair)


def _names(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            value = next(rest, "")
            if word in ("-p", "--package"):
                yield value
        elif not word.startswith("-"):
            yield word


def _has_lock(manager: str, site: Site) -> bool:
    """Whether the project's lock lies in the context; in a clone nobody knows."""
    try:
        return site.folder_of(".", LOCKS[manager]) is not None
    except LeavesContext:
        return False

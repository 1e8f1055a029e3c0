"""Packages of distributions other than Debian: system-not-pinned for apk, dnf, yum, microdnf and zypper.

apk and zypper: `name=VERSION` without a wildcard is pinned (`~=` and `>` are not). dnf and its like write a version
behind a hyphen: `name-1.2.3-4.el9` is pinned; one without a dot (`cuda-toolkit-12-4`) is taken for a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.anatomy import PinFinding
from bench.images.pins.grade import found
from bench.images.pins.installers import Call
from bench.images.pins.shell_words import program_name
from bench.vocabulary import PinRule

INSTALLS = {"add", "install", "in", "reinstall", "localinstall"}
MOVES_ALL = {"upgrade", "update", "up", "dup", "dist-upgrade", "distro-sync", "upgrade-minimal", "builddep", "patch"}
GROUPS = {"groupinstall", "group", "module"}
REFRESHES = {("apk", "update")}  # only the index
VALUED = {
    "-t", "--virtual", "-X", "--repository", "-p", "--root", "--keys-dir", "--installroot", "--repo", "--enablerepo",
    "--disablerepo", "-c", "--config", "-x", "--exclude", "--releasever", "--setopt", "-r", "--from", "--arch",
}  # fmt: skip
_VERSION = re.compile(r"[^\s=<>~*?]+-(\d+:)?\d[\w+~^]*\.[\w.+~^]*(-[\w.+~^]+)?")
_EQUALS = re.compile(r"[^\s=<>~*?]+==?[\w.:+~^-]+")
_URL = re.compile(r"(https?|ftp)://", re.IGNORECASE)
REPAIR = "write the version that you tested behind {name}, or take packages from a repository that never changes"


def system_findings(call: Call, file: str) -> Iterator[PinFinding]:
    """Of one call."""
    program, line = program_name(call.command.words[0]), call.command.line
    if call.verb in MOVES_ALL and (call.manager, call.verb) not in REFRESHES:
        text = f"{program} {call.verb} takes whatever the mirror has that day"
        yield found(PinRule.SYSTEM_NOT_PINNED, file, line, text, "take a newer base instead, and name it by digest")
    if call.verb in GROUPS and (call.verb == "groupinstall" or "install" in call.words):
        text = f"{program} {call.verb} brings whatever the group has that day"
        yield found(PinRule.SYSTEM_NOT_PINNED, file, line, text, "name the packages with their versions")
    if call.verb in INSTALLS:
        names = list(_names(call.words))
        addresses = [name for name in names if _URL.match(name)]
        loose = [name for name in names if name not in addresses and not _exact(name)]
        if loose:
            shown = ", ".join(name[:120] for name in loose[:6]) + (f" and {len(loose) - 6} more" * (len(loose) > 6))
            text = f"{shown}: whatever version the mirror has that day"
            repair = REPAIR.format(name=re.split(r"[=<>~]", loose[0])[0][:120])
            yield found(PinRule.SYSTEM_NOT_PINNED, file, line, text, repair)
        if addresses:
            text = f"{addresses[0][:200]}: whatever lies at that address is installed"
            repair = "fetch it with ADD --checksum=sha256:…, and install the file"
            yield found(PinRule.URL_NO_CHECKSUM, file, line, text, repair)


def _names(words: Sequence[str]) -> Iterator[str]:
    """Packages: no options, no files of the build, nothing that only the caller's variable knows."""
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            next(rest, None)
        elif word.startswith("$(") or not word.startswith(("-", "/", "./", "../", "$", ".", "!")):
            yield word


def _exact(name: str) -> bool:
    if name.endswith((".rpm", ".apk")):
        return True  # a file of the build
    return "$" in name.partition("=")[2] or bool(_EQUALS.fullmatch(name) or _VERSION.fullmatch(name))

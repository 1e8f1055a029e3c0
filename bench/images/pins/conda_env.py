"""Reads conda's specifications, on a command line or in environment.yml.

Exact is `==` with a version, `=` with a version and a build, or `=` with a version of three parts or more. conda takes
`=` as the beginning of a version, so python=3.11 is any 3.11 of the day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.anatomy import PinFinding
from bench.errors import InputError
from bench.images.pins.readable import unreadable
from bench.images.pins.requirement import requirement_findings, told_once
from bench.images.pins.requirements_file import Allowed, lint_named
from bench.scenario.source import read_document
from bench.vocabulary import PinRule

_SPEC = re.compile(
    r"""(?:(?P<channel>[^\s:\[]+(?:/[^\s:\[]+)*)::)?(?P<name>[A-Za-z0-9_][\w.-]*)
        (?:\s*(?P<operator>===?|=|[<>~!]=?|\s)\s*(?P<rest>[^\[]*))?(?:\[(?P<brackets>.*)\])?""",
    re.VERBOSE,
)
_VERSION_IN_BRACKETS = re.compile(r"""version\s*=\s*["']?(?P<version>[^"',\]]+)""")
_NO_VERSION = re.compile(r"[*<>|,~!]")
_NIGHTLY_CHANNEL = re.compile(r"nightly|(^|/)label/(dev|rc|test)\b")


def lint_environment(path: Path, file: str, allowed: Allowed | None = None) -> list[PinFinding]:
    """An environment.yml, with the requirements for pip in it and the lists that they name."""
    try:
        document = read_document(path)
    except InputError as error:
        return [unreadable(file, ValueError(error.problem), _line(error.where or ""))]
    found: list[PinFinding] = []
    for index, channel in enumerate(_list(document.data.get("channels"))):
        line = _line(document.place(("channels", index)))
        found += conda_findings(["-c", str(channel)], file=file, line=line)
    for index, item in enumerate(_list(document.data.get("dependencies"))):
        if isinstance(item, dict):
            for inner, text in enumerate(_list(item.get("pip"))):
                line = _line(document.place(("dependencies", index, "pip", inner)))
                words = _pip_words(str(text))
                found += requirement_findings(words, file=file, line=line)
                found += lint_named([(line, words)], path, file, allowed=allowed)
        else:
            found += conda_findings([str(item)], file=file, line=_line(document.place(("dependencies", index))))
    return sorted(told_once(found), key=lambda one: one.line)


def conda_findings(words: Sequence[str], *, file: str, line: int) -> list[PinFinding]:
    """What the words behind `conda install` or `conda create` leave open; options are left aside."""
    specs, channels = _specs(words)
    loose = [spec for spec in specs if "$" not in spec and not is_exact_conda(spec)]
    found: list[PinFinding] = []
    if loose:
        named = [spec for spec in loose if _SPEC.fullmatch(spec.strip())]  # what is none is not shown
        others = len(loose) - len(named)
        told = [*named[:6], *([f"{others} that cannot be read"] if others else [])]
        name = _name(named[0]) if named else "name"
        repair = f"write {name}==VERSION; best, install a list made by conda list --explicit --sha256"
        text = f"{', '.join(told)}: any version that fits may come, another one at each build"
        found.append(PinFinding(rule=PinRule.CONDA_NOT_PINNED, file=file, line=line, text=text, repair=repair))
    early = [one for one in [*channels, *(spec.partition("::")[0] for spec in specs)] if _NIGHTLY_CHANNEL.search(one)]
    if early:
        text = f"{', '.join(early)}: a channel of builds that are changed or deleted without notice"
        repair = "use a release; for a model that no release supports yet, say so with day_zero"
        found.append(PinFinding(rule=PinRule.NIGHTLY, file=file, line=line, text=text, repair=repair))
    return found


def is_exact_conda(spec: str) -> bool:
    """One version, whatever the channel holds; a file or an address of a package names one build."""
    if spec.endswith((".conda", ".tar.bz2")) or "://" in spec:
        return True
    match = _SPEC.fullmatch(spec.strip())
    if not match:
        return False
    if inside := _VERSION_IN_BRACKETS.search(match["brackets"] or ""):
        return not _NO_VERSION.search(inside["version"])
    operator, rest = (match["operator"] or "").strip(), (match["rest"] or "").strip()
    if not rest or _NO_VERSION.search(rest) or operator not in ("=", "==", "===", ""):
        return False
    version, _, build = rest.replace(" ", "=").partition("=")
    return bool(build) or operator != "=" or version.count(".") >= 2


_WITH_VALUE = {
    "-c",
    "--channel",
    "-n",
    "--name",
    "-p",
    "--prefix",
    "-f",
    "--file",
    "--solver",
    "--platform",
    "--subdir",
}
_CHANNELS = {"-c", "--channel"}


def _specs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    specs, channels = list[str](), list[str]()
    rest = iter(words)
    for word in rest:
        option, _, value = word.partition("=")
        if word.startswith("-") and option in _WITH_VALUE:
            value = value or next(rest, "")
            channels += [value] if option in _CHANNELS else []
        elif not word.startswith("-"):
            specs.append(word)
    return specs, channels


def _pip_words(text: str) -> list[str]:
    return text.split() if text.startswith("-") else [text]


def _name(spec: str) -> str:
    match = _SPEC.fullmatch(spec.strip())
    return match["name"] if match else spec


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _line(place: str) -> int:
    number = place.rpartition(":")[2]
    return int(number) if number.isdigit() else 1

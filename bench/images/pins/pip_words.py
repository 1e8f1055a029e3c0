"""Tells what stands behind `pip install`: requirements apart from options, and options from what belongs to them.

One table serves pip, `uv pip`, `uv add` and `uv tool`, whose spellings agree wherever they share an option. An option
that is not in it is taken for a switch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

REQUIREMENT_FILES = {"-r", "--requirement", "--requirements", "--with-requirements"}
CONSTRAINT_FILES = {"-c", "--constraint", "--constraints", "--override", "--overrides"}
EDITABLE = {"-e", "--editable", "--with-editable"}
MORE_REQUIREMENTS = {"-w", "--with", "--from"}
INDEXES = {"-i", "--index-url", "--extra-index-url", "--index", "--default-index", "-f", "--find-links"}
REVISIONS = {"--rev": "", "--tag": "tag", "--branch": "branch"}  # of `uv add git+…`
SWITCHES = {
    "--no-index": "no_index",
    "--require-hashes": "require_hashes",
    "--no-deps": "no_deps",
    "--no-build-isolation": "no_build_isolation",
}
_OTHERS = """
    -b -C -m -p -P -t --abi --allow-insecure-host --bounds --branch --build-constraint --build-constraints --cache-dir
    --cert --client-cert --color --config-file --config-setting --config-settings --config-settings-package --directory
    --excludes --exclude-newer --exclude-newer-package --exists-action --extra --fork-strategy --global-option --group
    --hash --implementation --index-strategy --install-option --keyring-provider --link-mode --log --marker --no-binary
    --no-binary-package --no-build-isolation-package --no-build-package --no-editable-package --no-install-package
    --no-sources-package --only-binary --optional --output-format --package --platform --prefix --prerelease
    --prerelease-package --progress-bar --project --proxy --python --python-platform --python-version --refresh-package
    --reinstall-package --report --resolution --retries --rev --root --root-user-action --script --src --tag --target
    --timeout --torch-backend --trusted-host --upgrade-group --upgrade-package --upgrade-strategy --use-deprecated
    --use-feature --uploaded-prior-to --with-executables-from
"""
WITH_VALUE = REQUIREMENT_FILES | CONSTRAINT_FILES | EDITABLE | MORE_REQUIREMENTS | INDEXES | {*_OTHERS.split()}
_HASH = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Said:
    """One call of an installer, or one line of a requirements file."""

    requirements: list[str] = field(default_factory=list)
    editable: list[str] = field(default_factory=list)
    requirement_files: list[str] = field(default_factory=list)
    constraint_files: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)  # and --find-links
    hashes: int = 0  # well-formed ones of a kind that pip takes
    revision: str | None = None  # --rev of `uv add`
    no_index: bool = False  # whatever is found lies in a folder of the build
    require_hashes: bool = False
    no_deps: bool = False
    no_build_isolation: bool = False
    extras: set[str] = field(default_factory=set)  # --extra of uv; "*" = all
    groups: list[str] = field(default_factory=list)  # --group, with a pyproject.toml in front or not
    prereleases: str | None = None  # the words that ask for any pre-release


def read_words(words: Sequence[str]) -> Said:
    """Sorted into what a linter asks."""
    said = Said()
    for option, value in _pairs(words):
        if option is None:
            said.requirements.append(value)
        elif option in REQUIREMENT_FILES:
            said.requirement_files.append(value)
        elif option in CONSTRAINT_FILES:
            said.constraint_files.append(value)
        elif option in EDITABLE:
            said.editable.append(value)
        elif option in MORE_REQUIREMENTS:
            said.requirements += value.split(",")
        elif option in INDEXES:
            said.indexes.append(value.partition("=")[2] if "=http" in value else value)  # uv's name=URL
        else:
            _take(said, option, value)
    return said


def _take(said: Said, option: str, value: str) -> None:
    """The options of which no list is kept."""
    if option == "--hash":
        said.hashes += bool(_HASH.fullmatch(value))
    elif option in REVISIONS:
        said.revision = value
    elif option in SWITCHES:
        setattr(said, SWITCHES[option], True)
    elif option == "--extra":
        said.extras.add(value)
    elif option == "--all-extras":
        said.extras.add("*")
    elif option == "--group":
        said.groups.append(value)
    elif option == "--pre":
        said.prereleases = option
    elif option == "--prerelease" and value == "allow":
        said.prereleases = f"{option} {value}"


def _pairs(words: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    """(option, its value or "") for each option and (None, word) for each other word."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from ((None, more) for more in rest)
        elif not word.startswith("-") or word == "-":
            yield None, word
        elif word.startswith("--") and "=" in word:
            option, _, value = word.partition("=")
            yield option, value
        elif word in WITH_VALUE:
            yield word, next(rest, "")
        elif not word.startswith("--") and word[:2] in WITH_VALUE:
            yield word[:2], word[2:].removeprefix("=")
        else:
            yield word, ""

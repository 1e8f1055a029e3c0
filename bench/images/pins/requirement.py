"""What is not pinned in the words behind `pip install`, or in one line of a requirements file.

At most one finding of a rule for each call: it names every requirement that it is about. The rules:

pip-not-pinned   a name from an index without `==` and a whole version. With --no-index it is none: what lies in the
                 folder was fetched by another step, which is where it is pinned or not.
pip-no-hash      an exact version whose file is not checked. pip takes hashes from requirement files only, so an exact
                 version on a command line always has this finding; nothing pins its dependencies there either.
git-not-pinned   a repository at anything but a full commit.
url-no-checksum  an archive by URL without `#sha256=…` behind it or --hash beside it.
nightly          an index of nightly builds, --pre, or a version or name that is a pre-release; but an alpha, beta or
                 candidate with an exact version and a hash is held like any release: some projects make no other.
unreadable       a word that a variable decides, which costs nothing: it is the caller's; the output of a command and a
                 line that is no requirement cost like an unpinned one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from bench.anatomy import PinFinding
from bench.images.pins.grade import WEIGHTS
from bench.images.pins.pip_words import Said, read_words
from bench.images.pins.specifier import FULL_COMMIT, Asked, Source, read_requirement
from bench.vocabulary import PinRule

_NIGHTLY_INDEX = re.compile(r"nightl(y|ies)|[/.]pre-?releases?\b|download\.pytorch\.org/whl/test\b", re.IGNORECASE)
LOCKED = "lock them with hashes (uv pip compile --generate-hashes) and install with --require-hashes -r FILE"
LINES_SHOWN = 8
_SHOWN = 6  # requirements named in one finding


def requirement_findings(
    words: Sequence[str], *, file: str, line: int, hashes_required: bool = False, pinned: Collection[str] = ()
) -> list[PinFinding]:
    """All of one call.

    `hashes_required`: pip refuses what has no hash, so none is missed. `pinned`: names that a constraints file which
    goes with the call gives one exact version. Files that the call reads (-r) are not opened here.
    """
    said = read_words(words)
    hashes_required = hashes_required or said.require_hashes
    return findings_about(_asked(said), said, file=file, line=line, hashes_required=hashes_required, pinned=pinned)


def findings_about(
    asked: Sequence[Asked],
    said: Said | None = None,
    *,
    file: str,
    line: int,
    hashes_required: bool = False,
    pinned: Collection[str] = (),
) -> list[PinFinding]:
    """The same of requirements that were read out of another kind of file."""
    said = said or Said()
    of_index = [one for one in asked if one.source is Source.INDEX]
    unpinned = [one for one in of_index if not one.exact and one.name not in pinned]
    rows = [
        _not_pinned(unpinned, said),
        _no_hash([] if hashes_required else [one for one in of_index if one not in unpinned], said),
        _moving([one for one in asked if one.source is Source.REPOSITORY and not one.exact]),
        _unchecked([one for one in asked if one.source is Source.URL and not one.exact], said),
        _nightly(
            [one for one in asked if not (one.exact and (one.hashed or hashes_required) and not one.nightly)], said
        ),
        _unreadable([one for one in asked if one.source is Source.UNKNOWN]),
    ]
    return [
        PinFinding(rule=rule, file=file, line=line, text=text, repair=repair, weight=_costs(rule, asked))
        for rule, text, repair in (row for row in rows if row)
    ]


Row = tuple[PinRule, str, str]


def _asked(said: Said) -> list[Asked]:
    """A commit that `uv add --rev` names belongs to the repository beside it."""
    hashed = said.hashes > 0
    found = [read_requirement(text, hashed=hashed) for text in said.requirements]
    found += [read_requirement(text, hashed=hashed, editable=True) for text in said.editable]
    if said.revision and FULL_COMMIT.fullmatch(said.revision):
        found = [one for one in found if one.source is not Source.REPOSITORY]
    return found


def _not_pinned(asked: Sequence[Asked], said: Said) -> Row | None:
    if not asked or said.no_index:
        return None
    text = f"{_names(asked)}: any version that fits may come, another one at each build"
    if said.constraint_files:
        text += f"; {', '.join(said.constraint_files)} gives no exact one, or could not be read"
    return (
        PinRule.PIP_NOT_PINNED,
        text,
        f"write {asked[0].name}==VERSION with the version that you tested; best, {LOCKED}",
    )


def _no_hash(asked: Sequence[Asked], said: Said) -> Row | None:
    bare = [one for one in asked if not one.hashed]
    if not bare or said.no_index:
        return None
    text = f"{_names(bare)}: the version is exact, but neither its files nor what it depends on are checked"
    return PinRule.PIP_NO_HASH, text, LOCKED


def _moving(asked: Sequence[Asked]) -> Row | None:
    if not asked:
        return None
    text = f"{_names(asked)}: a branch, a tag or a short commit may be something else tomorrow"
    return PinRule.GIT_NOT_PINNED, text, "write @ and the full commit of 40 digits behind the address"


def _unchecked(asked: Sequence[Asked], said: Said) -> Row | None:
    lists = [one for one in (*said.requirement_files, *said.constraint_files) if "://" in one]
    if not asked and not lists:
        return None
    text = f"{', '.join([*lists, *([_names(asked)] if asked else [])])}: whatever lies at that address is taken"
    if not asked:
        return PinRule.URL_NO_CHECKSUM, text, "put the list into the build context, and keep it in version control"
    return PinRule.URL_NO_CHECKSUM, text, "write #sha256=… behind the address, with the sum of the file that you tested"


def _nightly(asked: Sequence[Asked], said: Said) -> Row | None:
    early = [one for one in asked if one.prerelease]
    why = [f"{index} is an index of nightly builds" for index in said.indexes if is_nightly_index(index)]
    why += [f"{said.prereleases} takes any pre-release"] if said.prereleases else []
    why += [f"{_names(early)} is a pre-release"] if early else []
    if not why:
        return None
    text = f"{'; '.join(why)}: such builds are changed or deleted without notice"
    return PinRule.NIGHTLY, text, "use a release; for a model that no release supports yet, say so with day_zero"


def _unreadable(asked: Sequence[Asked]) -> Row | None:
    """What is written there is not shown: a line that is no requirement may be anything, a password too."""
    if not asked:
        return None
    if any(_computed(one) for one in asked):
        text = "the output of a command decides what is installed: it is not judged"
        return PinRule.UNREADABLE, text, "install a list with exact versions and hashes: -r FILE"
    if all(one.variable for one in asked):
        return PinRule.UNREADABLE, "only a variable's value would tell what is installed", "write what is installed"
    return PinRule.UNREADABLE, f"no requirement that pip can read ({len(asked)} here)", "write name==version"


def _computed(asked: Asked) -> bool:
    return "$(" in asked.text or "`" in asked.text


def _costs(rule: PinRule, asked: Sequence[Asked]) -> int:
    """A word that the caller's variable decides is the caller's; any other that cannot be read costs."""
    unknown = [one for one in asked if one.source is Source.UNKNOWN]
    costs = rule != PinRule.UNREADABLE or any(not one.variable or _computed(one) for one in unknown)
    return WEIGHTS[rule] if costs else 0


def is_nightly_index(address: str) -> bool:
    """By the words that vLLM's, PyTorch's and others' indexes of nightly builds have in their address."""
    return bool(_NIGHTLY_INDEX.search(address))


def _names(asked: Sequence[Asked]) -> str:
    shown = ", ".join(one.text[:120] for one in asked[:_SHOWN])
    return shown + (f" and {len(asked) - _SHOWN} more" if len(asked) > _SHOWN else "")


def told_once(findings: Sequence[PinFinding]) -> list[PinFinding]:
    """One missing hash is told for each file: it is the file that has none."""
    bare = [one for one in findings if one.rule == PinRule.PIP_NO_HASH]
    if len(bare) < 2:
        return list(findings)
    numbers = sorted({one.line for one in bare})
    shown = ", ".join(str(number) for number in numbers[:LINES_SHOWN]) + (", …" if len(numbers) > LINES_SHOWN else "")
    text = f"{len(bare)} exact versions without a hash (lines {shown}): neither their files nor what they depend on "
    one = replace(min(bare, key=lambda row: row.line), text=text + "are checked")
    return sorted([*(one for one in findings if one.rule != PinRule.PIP_NO_HASH), one], key=lambda row: row.line)

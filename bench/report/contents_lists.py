"""The lists of the section on images: what could be left out, what is not pinned, and how two images differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.inventory_diff import FACTS, FactDifference, InventoryDiff, PackageDifference, diff
from bench.anatomy import ImageContents, Lint, PinFinding, Saving
from bench.report import format as fmt
from bench.report.contents_tables import GROUPS, Rate, looked_into
from bench.report.subject import Subject

_MOST_FINDINGS, _MOST_PACKAGES, _MOST_PATHS = 40, 25, 4


@dataclass(frozen=True, slots=True)
class SavingRow:
    """One thing to leave out, or all of them together."""

    what: str
    group: str
    disk: str
    wire: str
    download: str
    unpack: str
    how: str
    caution: str
    paths: str


@dataclass(frozen=True, slots=True)
class Pins:
    """What the linter said of one arm's files."""

    arm: str
    grade: str
    told: str  # of which files, and by what
    findings: tuple[PinFinding, ...]
    excused: tuple[PinFinding, ...]
    more: int  # findings that are not shown


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One fact or package that two images do not have alike."""

    name: str
    baseline: str
    candidate: str
    size: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What an arm's image is made of otherwise than the first one's."""

    baseline: str
    candidate: str
    sentence: str
    rows: tuple[DifferenceRow, ...]  # facts first, then packages by their size
    more: int  # packages that are not shown


@dataclass(frozen=True, slots=True)
class Savings:
    """What to leave out, the largest first, and the sum where there are several."""

    arms: tuple[str, ...]  # whose images hold the same things; the bytes on the wire are those of `arm`
    arm: str
    rows: tuple[SavingRow, ...]


def saving_tables(subject: Subject, rate: Rate) -> tuple[Savings, ...]:
    """One list for arms that could leave out the same files: images on one base repeat themselves."""
    contents = looked_into(subject)
    alike: dict[tuple[object, ...], list[str]] = {}
    for arm, one in contents.items():
        key = tuple((saving.what, saving.disk_bytes, saving.how, saving.paths) for saving in _largest(one))
        alike.setdefault(key, []).append(arm)
    return tuple(_savings(contents, arms, rate) for arms in alike.values())


def _savings(contents: Mapping[str, ImageContents], arms: Sequence[str], rate: Rate) -> Savings:
    of = next((arm for arm in arms if not contents[arm].anatomy.wire_is_estimate), arms[0])
    savings = _largest(contents[of])
    rows = [_saving(saving, rate) for saving in savings]
    if len(savings) > 1:
        rows.append(_sum(savings, rate))
    return Savings(tuple(arms), of, tuple(rows))


def _largest(one: ImageContents) -> list[Saving]:
    return sorted(one.anatomy.savings, key=lambda saving: -saving.disk_bytes)[:10]


def _saving(saving: Saving, rate: Rate) -> SavingRow:
    more = len(saving.paths) - _MOST_PATHS
    paths = ", ".join(saving.paths[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
    return SavingRow(
        fmt.safe_text(saving.what, 160), GROUPS.get(saving.group, saving.group), *_amounts(saving.disk_bytes,
        saving.wire_bytes, rate), fmt.safe_text(saving.how, 600), fmt.safe_text(saving.caution or "", 400),
        fmt.safe_text(paths, 400),
    )  # fmt: skip


def _sum(savings: Sequence[Saving], rate: Rate) -> SavingRow:
    disk = sum(saving.disk_bytes for saving in savings)
    wires = [saving.wire_bytes for saving in savings]
    wire = None if None in wires else sum(size or 0 for size in wires)
    return SavingRow("all of them", "", *_amounts(disk, wire, rate), "", "", "")


def _amounts(disk: int, wire: int | None, rate: Rate) -> tuple[str, str, str, str]:
    return fmt.quantity(disk, "bytes"), fmt.quantity(wire, "bytes"), rate.download(wire), rate.unpack(disk)


def pins(subject: Subject) -> tuple[Pins, ...]:
    """Of every arm that is built here: the grade, and each place with its repair, the weightiest first."""
    return tuple(_pins(arm, one.lint) for arm, one in looked_into(subject).items() if one.lint)


def _pins(arm: str, lint: Lint) -> Pins:
    ordered = sorted(lint.findings, key=lambda one: (-one.weight, one.file, one.line))
    files = ", ".join(_short(file) for file in lint.files[:8]) or "no file"
    tool = f"hadolint {lint.hadolint} and nimbench's own rules" if lint.hadolint else "nimbench's own rules"
    excuse = f"; excused until {lint.day_zero.until}: {lint.day_zero.reason}" if lint.day_zero else ""
    return Pins(
        arm, fmt.safe_text(lint.grade, 4), fmt.safe_text(f"{files}, by {tool}{excuse}", 600),
        tuple(ordered[:_MOST_FINDINGS]), lint.excused[:_MOST_FINDINGS], max(0, len(ordered) - _MOST_FINDINGS),
    )  # fmt: skip


def _short(file: str) -> str:
    """The file and its folder: where the rest lies is the measuring host's affair."""
    return "/".join(file.split("/")[-2:])


def differences(subject: Subject) -> tuple[Difference, ...]:
    """Every further image against the first one."""
    (first, base), *others = looked_into(subject).items()
    return tuple(_difference(first, arm, diff(base.inventory, one.inventory)) for arm, one in others)


def _difference(first: str, arm: str, found: InventoryDiff) -> Difference:
    rows = sorted(
        (*found.versions, *found.only_a, *found.only_b), key=lambda row: -max(row.a_disk_bytes, row.b_disk_bytes)
    )
    same, other = found.same_packages, len(found.versions)
    sentence = (
        f"{same} package{' is' if same == 1 else 's are'} the same in both; {other} "
        f"{'has' if other == 1 else 'have'} another version; {len(found.only_a)} in {first} alone, "
        f"{len(found.only_b)} in {arm} alone."
    )
    shown = (*map(_fact, found.facts), *map(_package, rows[:_MOST_PACKAGES]))
    return Difference(first, arm, fmt.safe_text(sentence, 400), shown, max(0, len(rows) - _MOST_PACKAGES))


def _package(row: PackageDifference) -> DifferenceRow:
    size = fmt.quantity(max(row.a_disk_bytes, row.b_disk_bytes), "bytes")
    a, b = (fmt.safe_text(version or "not there", 120) for version in (row.a_version, row.b_version))
    return DifferenceRow(fmt.safe_text(f"{row.manager}: {row.name}", 120), a, b, size)


def _fact(row: FactDifference) -> DifferenceRow:
    texts = []
    for value in (row.a, row.b):
        if isinstance(value, int):
            texts.append(fmt.quantity(value, "bytes") if row.fact.endswith("_bytes") else fmt.number(value, 0))
        else:
            texts.append(fmt.safe_text(value or ("root" if row.fact == "user" else fmt.UNKNOWN), 200))
    return DifferenceRow(FACTS.get(row.fact, row.fact), texts[0], texts[1], "")

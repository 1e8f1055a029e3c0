"""The grade A to F: points for each finding, at most three findings of a rule counted.

| points | grade | what such a build is                                                                  |
|--------|-------|---------------------------------------------------------------------------------------|
| 0      | A     | built again it is the same, and it carries nothing that the build alone needed        |
| 1–2    | B     | what computes is exact; hashes, distribution packages or leftovers are not perfect    |
| 3–5    | C     | one thing that computes may be another one at the next build                          |
| 6–9    | D     | two or three such things                                                              |
| 10–14  | E     | most of it may change                                                                 |
| ≥ 15   | F     | nothing is held; also whenever an exception for nightly builds has run out            |

Three is what changes the engine, its libraries or the system under them without a change of these files. One is what
does so within a distribution's release (a Debian mirror keeps only the newest version, so an exact one breaks with the
next security update), what an attacker alone would change (a file behind an exact version), and what only costs bytes.
A rule counts three times at most, so that a lock of 150 packages does not weigh more than a base that moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.anatomy import PinFinding
from bench.vocabulary import PinRule

WEIGHTS: Mapping[str, int] = {
    PinRule.BASE_NOT_BY_DIGEST: 3,
    PinRule.BASE_LATEST: 3,  # beside base-not-by-digest: the tag does not even name a release
    PinRule.PIP_NOT_PINNED: 3,
    PinRule.CONDA_NOT_PINNED: 3,
    PinRule.NPM_NOT_PINNED: 3,
    PinRule.GIT_NOT_PINNED: 3,
    PinRule.URL_NO_CHECKSUM: 3,
    PinRule.NIGHTLY: 3,
    PinRule.DAY_ZERO_EXPIRED: 15,
    PinRule.UNREADABLE: 3,  # an install of which nothing is known; 0 where hashes are required, or only a word is not
    PinRule.APT_NOT_PINNED: 1,
    PinRule.SYSTEM_NOT_PINNED: 1,
    PinRule.PIP_NO_HASH: 1,
    PinRule.CACHE_LEFT: 1,
    PinRule.BUILD_TOOLS_LEFT: 1,
}
MOST_OF_A_RULE = 3
LIMITS = (("A", 0), ("B", 2), ("C", 5), ("D", 9), ("E", 14))  # most points of a grade; above all of them F
GRADES = (*(grade for grade, _ in LIMITS), "F")


def found(rule: PinRule, file: str, line: int, text: str, repair: str) -> PinFinding:
    """A finding with the weight of its rule."""
    return PinFinding(rule=rule, file=file, line=line, text=text, repair=repair, weight=WEIGHTS[rule])


def told(rule: PinRule, file: str, line: int, text: str, repair: str) -> PinFinding:
    """A finding that costs nothing."""
    return PinFinding(rule=rule, file=file, line=line, text=text, repair=repair, weight=0)


def points_of(findings: Sequence[PinFinding]) -> dict[str, int]:
    """Rule -> what it costs, the dearest first. Our rules weigh as in the table, others as found."""
    counts = Counter(str(one.rule) for one in findings if one.weight > 0)
    own = {str(one.rule): one.weight for one in findings if one.weight > 0}
    points = {rule: min(count, MOST_OF_A_RULE) * WEIGHTS.get(rule, own[rule]) for rule, count in counts.items()}
    return dict(sorted(points.items(), key=lambda item: (-item[1], item[0])))


def grade_of(findings: Sequence[PinFinding]) -> str:
    """One letter, A to F."""
    points = sum(points_of(findings).values())
    return next((grade for grade, most in LIMITS if points <= most), "F")


def explain(findings: Sequence[PinFinding]) -> str:
    """Why this grade, in one sentence."""
    points = points_of(findings)
    if not points:
        return "Grade A: nothing found that costs a point."
    parts = ", ".join(f"{rule} {cost}" for rule, cost in points.items())
    total = sum(points.values())
    return f"Grade {grade_of(findings)}: {total} point{'s' if total > 1 else ''} ({parts})."

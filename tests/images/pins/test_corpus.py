"""Builds with a known right answer: what the rules find there, and what they should.

Each folder of corpus/ holds the files of a build and expected.json: file -> [[rule, line], …]. The answers follow from
what the modules of bench/images/pins say of their rules, and were written before the rules were run. Digests, commits
and sums in there name nothing: they only have the right form. The rules were put right until they gave these answers,
so the table says that none was lost since, not how many they find in a build that nobody here has seen.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.images.pins.files import lint_files
from bench.vocabulary import PinRule

CORPUS = Path(__file__).with_name("corpus")
CASES = sorted(path for path in CORPUS.iterdir() if path.is_dir())

Answer = tuple[str, str, int]


def expected(case: Path) -> set[Answer]:
    told = json.loads((case / "expected.json").read_text())
    return {(file, rule, line) for file, rows in told.items() for rule, line in rows}


def answered(case: Path) -> list[Answer]:
    found = lint_files([case], hadolint=False, root=case).findings
    return [(one.file, str(one.rule), one.line) for one in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_the_right_one(case):
    assert set(answered(case)) == expected(case)


def test_precision_and_recall_of_every_rule(capsys):
    right, given, wanted = Counter[str](), Counter[str](), Counter[str]()
    for case in CASES:
        true, told = expected(case), answered(case)
        given.update(rule for _, rule, _ in told)
        wanted.update(rule for _, rule, _ in true)
        right.update(rule for _, rule, _ in true & set(told))
    with capsys.disabled():
        print(f"\n{'rule':20} {'wanted':>6} {'given':>6} {'right':>6} precision recall")
        for rule in sorted(wanted):
            precision, recall = right[rule] / max(1, given[rule]), right[rule] / wanted[rule]
            print(f"{rule:20} {wanted[rule]:6} {given[rule]:6} {right[rule]:6} {precision:9.2f} {recall:6.2f}")
    assert set(given) == set(wanted)
    assert {rule: right[rule] for rule in wanted} == dict(wanted), "recall"
    assert dict(given) == dict(wanted), "precision"


def test_every_rule_has_a_case():
    asked = {rule for case in CASES for _, rule, _ in expected(case)}
    assert asked == {str(rule) for rule in PinRule} - {str(PinRule.DAY_ZERO_EXPIRED)}  # which needs a date


def test_at_least_twenty_builds_are_judged():
    assert len(CASES) >= 20

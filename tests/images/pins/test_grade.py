"""The grade follows from the findings, and says why."""

import pytest

from bench.anatomy import PinFinding
from bench.images.pins.grade import LIMITS, WEIGHTS, explain, found, grade_of, told
from bench.vocabulary import PinRule


def one(rule, line=1):
    return found(rule, "Dockerfile", line, "text", "repair")


def test_every_rule_of_ours_has_a_weight():
    assert set(WEIGHTS) == set(PinRule)


@pytest.mark.parametrize(
    ("rules", "grade"),
    [
        ([], "A"),
        ([PinRule.PIP_NO_HASH], "B"),
        ([PinRule.APT_NOT_PINNED] * 2, "B"),
        ([PinRule.PIP_NOT_PINNED], "C"),
        ([PinRule.BASE_NOT_BY_DIGEST, PinRule.BASE_LATEST], "D"),
        ([PinRule.PIP_NOT_PINNED] * 40, "D"),
        ([PinRule.PIP_NOT_PINNED] * 3 + [PinRule.BASE_NOT_BY_DIGEST], "E"),
        ([PinRule.PIP_NOT_PINNED] * 3 + [PinRule.URL_NO_CHECKSUM] * 2, "F"),
        ([PinRule.DAY_ZERO_EXPIRED], "F"),
    ],
)
def test_the_grade_is_the_table_s(rules, grade):
    assert grade_of([one(rule, line) for line, rule in enumerate(rules)]) == grade


def test_what_is_only_told_costs_nothing():
    assert (
        grade_of(
            [
                told(PinRule.UNREADABLE, "f", 1, "t", "r"),
                PinFinding(rule="DL3059", file="f", line=1, text="t", repair="r", weight=0),
            ]
        )
        == "A"
    )


def test_a_finding_of_another_linter_weighs_what_it_says():
    assert (
        explain([PinFinding(rule="DL3016", file="f", line=1, text="t", repair="r")]) == "Grade B: 1 point (DL3016 1)."
    )


def test_the_sentence_adds_up():
    findings = [one(PinRule.PIP_NOT_PINNED, n) for n in range(5)] + [one(PinRule.CACHE_LEFT)]
    assert explain(findings) == "Grade E: 10 points (pip-not-pinned 9, cache-left 1)."
    assert explain([]) == "Grade A: nothing found that costs a point."


def test_limits_rise():
    assert [most for _, most in LIMITS] == sorted({most for _, most in LIMITS})

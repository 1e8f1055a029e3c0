"""Numbers in sentences carry their unit, and a ratio is as far from 1 as its reciprocal."""

import dataclasses

import pytest

from bench.analysis import words
from bench.analysis.compare import Measure, compare
from bench.vocabulary import Better, Kind

SPEED = Measure(metric="output_tokens_per_s", unit="tok/s", better=Better.HIGHER, margin=0.05)
SHARE = Measure(metric="error_ratio", unit="ratio", better=Better.LOWER, margin=0.001, kind=Kind.DIFFERENCE)


def compared(measure, baseline, candidate):
    at = {"stage": "c4"}
    return compare(measure, ("nim", dict(enumerate(baseline))), ("custom", dict(enumerate(candidate))), at=at)


def test_ratio_is_told_in_per_cent_with_its_direction():
    text = words.outcome(compared(SPEED, [100.0, 101.0, 99.0], [128.0, 130.0, 126.0]))
    assert text.startswith("custom: output tokens/s 28.0 % higher than nim at c4 (95 % CI ")
    assert text.endswith(" higher, 3 pairs)")


def test_difference_of_shares_is_told_in_points_of_a_per_cent():
    row = compared(SHARE, [0.0, 0.0, 0.01], [0.02, 0.03, 0.02])
    assert words.outcome(row).startswith("custom: errors +2 %-points against nim at c4 (95 % CI ")
    assert words.outcome(row).count("%-points") == 3
    assert words.margin(row) == "0.1 %-points"


@pytest.mark.parametrize(
    ("mde", "told"),
    [(0.01, "1 % higher or 0.99 % lower"), (1.0, "100 % higher or 50 % lower"), (19.0, "1900 % higher or 95 % lower")],
)
def test_smallest_difference_seen_is_told_both_ways(mde, told):
    row = dataclasses.replace(compared(SPEED, [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]), mde=mde)
    assert words.smallest_seen(row) == told

"""The table of comparisons: what stands in its cells."""

import dataclasses

import pytest

from bench.report import comparisons
from bench.vocabulary import Kind
from tests.report import subjects


@pytest.mark.parametrize(
    ("mde", "shown"),
    [(0.0058, "±0.58 %"), (0.066, "+6.6 % or \u22126.2 %"), (1.33, "+133 % or \u221257 %"), (None, "not known")],
)
def test_smallest_difference_seen_is_a_ratio_up_or_its_reciprocal(mde, shown):
    row = dataclasses.replace(subjects.complete().primary, mde=mde)
    assert comparisons.mde_text(row).replace("\u00a0", " ") == shown


def test_smallest_difference_of_shares_is_in_points():
    row = dataclasses.replace(subjects.complete().primary, mde=0.02, kind=Kind.DIFFERENCE, unit="ratio")
    assert comparisons.mde_text(row).replace("\u00a0", " ") == "±2.00 %-points"


def test_open_comparison_says_how_many_launches_would_tell():
    row = dataclasses.replace(subjects.complete().primary, reason=None, launches_needed=14)
    assert comparisons.reason_text(row) == "about 14 launches of each arm would tell"
    assert comparisons.reason_text(dataclasses.replace(row, launches_needed=None)) is None


def test_interval_of_an_arm_is_left_out_where_it_rests_on_other_launches():
    subject = subjects.complete()
    row = subject.primary
    assert comparisons.interval_of(subject, row, "baseline") == subject.value("plain", row.metric, "c4").ci95
    fewer = dataclasses.replace(row, n={"baseline": 2, "candidate": 2, "pairs": 2})
    assert comparisons.interval_of(subject, fewer, "baseline") is None

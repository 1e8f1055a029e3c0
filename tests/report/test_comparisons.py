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

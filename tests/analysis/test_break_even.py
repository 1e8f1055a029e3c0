"""Break-even bandwidths by hand."""

import math

import pytest

from bench.analysis.break_even import bandwidths
from bench.analysis.dose_rows import DoseRow
from bench.conclusion import Estimated, Slope
from bench.model import Dose

ASKED = Dose(series=("s", "t", "u"), predict=("fat", "lean"))


def row(arm: str, block: int, wire_gb: float, extract_s: float, start_s: float) -> DoseRow:
    times = {"extract_s": extract_s, "start_to_first_token_s": start_s}
    return DoseRow(
        launch=0, block=block, arm=arm, wire_gb=wire_gb, disk_gb=3 * wire_gb, kilofiles=1.0, layers=1, times=times
    )


def rows(*lost_s: float):
    return [
        one
        for block, lost in enumerate(lost_s)
        for one in (row("fat", block, 5.0, 40.0, 60.0 + block), row("lean", block, 3.0, 20.0, 60.0 + block + lost))
    ]


def slope(value: float, ci95: tuple[float, float] | None) -> Slope:
    estimated = Estimated(value=value, ci95=ci95, n=4)
    return Slope(metric="extract_s", per="disk", s_per_gb=estimated, at_zero_s=estimated, bend_s=None, scatter_s=None)


def packings(*lost_s: float):
    return next(one for one in bandwidths(ASKED, rows(*lost_s), ()) if one.second)


def test_gigabyte_unpacked_in_eight_seconds_breaks_even_at_one_gigabit():
    (found,) = bandwidths(Dose(series=("s", "t", "u")), (), [slope(8.0, (4.0, 16.0))])
    assert (found.first, found.second) == (None, None)
    assert found.bits_per_s == 1e9
    assert found.ci95 == (0.5e9, 2e9)


def test_unpacking_that_may_cost_nothing_leaves_the_interval_open():
    (found,) = bandwidths(Dose(series=("s", "t", "u")), (), [slope(8.0, (-1.0, 16.0))])
    assert found.ci95 == (0.5e9, math.inf)


def test_unpacking_that_costs_nothing_has_no_such_bandwidth():
    (found,) = bandwidths(Dose(series=("s", "t", "u")), (), [slope(-0.1, (-1.0, -0.01))])
    assert (found.bits_per_s, found.ci95) == (None, None)


def test_image_breaks_even_where_its_own_download_takes_as_long_as_its_own_unpacking():
    found = {one.first: one for one in bandwidths(ASKED, rows(1.0, 1.0, 1.0), ()) if one.second is None}
    assert found["fat"].bits_per_s == pytest.approx(8e9 * 5 / 40)
    assert found["lean"].bits_per_s == pytest.approx(8e9 * 3 / 20)


def test_two_gigabytes_saved_for_half_a_second_of_start_pay_below_32_gigabits():
    found = packings(0.4, 0.5, 0.6)
    assert (found.first, found.second, found.wire_bytes_saved) == ("fat", "lean", 2e9)
    assert found.start_s_lost.value == pytest.approx(0.5)
    assert found.bits_per_s == pytest.approx(32e9)
    low, high = found.start_s_lost.ci95
    assert found.ci95 == pytest.approx((16e9 / high, 16e9 / low))


def test_leaner_image_that_starts_no_later_pays_at_any_bandwidth():
    found = packings(-0.4, -0.5, -0.6)
    assert found.bits_per_s is None and found.ci95 is None


def test_start_that_may_not_be_lost_leaves_the_interval_open():
    found = packings(-0.5, 0.2, 0.9)
    assert found.bits_per_s == pytest.approx(16e9 / 0.2)
    assert found.ci95[1] == math.inf and found.ci95[0] < found.bits_per_s

"""Break-even bandwidths by hand."""

import math

import numpy as np
import pytest

from bench.analysis.break_even import bandwidths
from bench.analysis.dose_rows import DoseRow
from bench.conclusion import Estimated, Slope
from bench.model import Dose

ASKED = Dose(series=("s", "t", "u"), predict=("fat", "lean"), packings=("fat", "lean"))


def row(arm: str, block: int, wire_gb: float, extract_s: float, **times: float) -> DoseRow:
    return DoseRow(
        launch=0, block=block, arm=arm, wire_gb=wire_gb, disk_gb=3 * wire_gb, kilofiles=1.0, layers=1,
        times={"extract_s": extract_s, **times},
    )  # fmt: skip


def pulled(arm: str, block: int, wire_gb: float, rest_s: float, bits_per_s: float = 1e9, wait_s: float = 0.0):
    """A pull over a network: the download is the network's, the rest is not."""
    download = 8e9 * wire_gb / bits_per_s + wait_s
    whole = download + rest_s
    return row(arm, block, wire_gb, 7 * wire_gb, download_s=download, pull_to_first_token_s=whole)


def rows(*lost_s: float):
    """Two gigabytes saved; beside the download 60 s, 61 s, ... and so much more of the leaner image."""
    return [
        one
        for block, lost in enumerate(lost_s)
        for one in (pulled("fat", block, 5.0, 60.0 + block), pulled("lean", block, 3.0, 60.0 + block + lost))
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
    of = [one for block in range(3) for one in (row("fat", block, 5.0, 40.0), row("lean", block, 3.0, 20.0))]
    found = {one.first: one for one in bandwidths(ASKED, of, ()) if one.second is None}
    assert found["fat"].bits_per_s == pytest.approx(8e9 * 5 / 40)
    assert found["lean"].bits_per_s == pytest.approx(8e9 * 3 / 20)


def test_two_gigabytes_saved_for_half_a_second_pay_below_32_gigabits():
    found = packings(0.4, 0.5, 0.6)
    assert (found.first, found.second, found.wire_bytes_saved) == ("fat", "lean", 2e9)
    assert found.lost_beside_download_s.value == pytest.approx(0.5)
    assert found.bits_per_s == pytest.approx(32e9)
    low, high = found.lost_beside_download_s.ci95
    assert found.ci95 == pytest.approx((16e9 / high, 16e9 / low))


def test_leaner_image_that_loses_nothing_beside_the_download_pays_at_any_bandwidth():
    found = packings(-0.4, -0.5, -0.6)
    assert found.bits_per_s is None and found.ci95 is None


def test_time_that_may_not_be_lost_leaves_the_interval_open():
    found = packings(-0.5, 0.2, 0.9)
    assert found.bits_per_s == pytest.approx(16e9 / 0.2)
    assert found.ci95[1] == math.inf and found.ci95[0] < found.bits_per_s


def test_unpacking_counts_beside_the_start():
    """By hand: 1 GB saved. The fat image unpacks 4 s after its last byte and starts in 2 s; the lean one 1 s and 9 s.

    7 s of start are lost, but 3 s of unpacking are won: 8 Gbit / 4 s = 2 Gbit/s, not 8 / 7.
    """
    asked = Dose(series=("s", "t", "u"), packings=("lean", "fat"))
    of = [one for block in range(2) for one in (pulled("fat", block, 2.0, 4 + 2), pulled("lean", block, 1.0, 1 + 9))]
    (found,) = bandwidths(asked, of, ())
    assert found.lost_beside_download_s.value == pytest.approx(4.0)
    assert found.bits_per_s == pytest.approx(2e9)


@pytest.mark.parametrize("measured_at", [0.2e9, 1e9, 5e9, 40e9])
def test_bandwidth_does_not_depend_on_the_one_at_which_it_was_measured(measured_at):
    of = [pulled(arm, 0, gb, rest, measured_at, 0.02) for arm, gb, rest in (("fat", 2.0, 6.0), ("lean", 1.0, 10.0))]
    found = next(one for one in bandwidths(ASKED, of, ()) if one.second)
    assert found.bits_per_s == pytest.approx(2e9)


def test_both_packings_take_equally_long_at_the_bandwidth_found_and_the_leaner_less_below():
    found = packings(0.7, 0.8, 0.9)

    def first_token_s(arm: str, bits_per_s: float) -> float:
        wire, rest = {"fat": (5.0, 61.0), "lean": (3.0, 61.0 + 0.8)}[arm]
        return pulled(arm, 0, wire, rest, bits_per_s).times["pull_to_first_token_s"]

    at = found.bits_per_s
    assert first_token_s("lean", at) == pytest.approx(first_token_s("fat", at))
    assert first_token_s("lean", at / 2) < first_token_s("fat", at / 2)
    assert first_token_s("lean", at * 2) > first_token_s("fat", at * 2)


def test_interval_holds_the_bandwidth_at_the_nominal_rate():
    """2 GB for 0.5 s, 4 blocks that differ by seconds: 500 runs, the binomial standard error of 95 % is 1 %."""
    random, covered = np.random.default_rng(3), 0
    for _ in range(500):
        of = []
        for block in range(4):
            common = 60 + random.normal(0, 5.0)
            for arm, wire, rest in (("fat", 5.0, 0.0), ("lean", 3.0, 0.5)):
                of.append(pulled(arm, block, wire, common + rest + random.normal(0, 0.1)))
        low, high = next(one for one in bandwidths(ASKED, of, ()) if one.second).ci95
        covered += low <= 32e9 <= high
    assert covered / 500 == pytest.approx(0.95, abs=0.03)


def test_only_packings_of_one_program_are_held_against_each_other():
    """The image of more bytes that is something else is neither reference nor candidate; without packings none is."""
    of = [*rows(0.5, 0.6), *(pulled("packages", block, 9.0, 100.0) for block in range(2))]
    asked = Dose(series=("s", "t", "u"), predict=("fat", "lean", "packages"), packings=("fat", "lean"))
    assert [(one.first, one.second) for one in bandwidths(asked, of, ()) if one.second] == [("fat", "lean")]
    without = Dose(series=("s", "t", "u"), predict=("fat", "lean", "packages"))
    assert not [one for one in bandwidths(without, of, ()) if one.second]


def test_block_without_the_download_of_one_of_them_is_left_out():
    of = rows(0.5, 9.0, 0.5)
    of[2] = row("fat", 1, 5.0, 1.0, pull_to_first_token_s=3.0)
    found = next(one for one in bandwidths(ASKED, of, ()) if one.second)
    assert (found.lost_beside_download_s.value, found.lost_beside_download_s.n) == (pytest.approx(0.5), 2)

"""The verdict of one comparison: its order, its symmetry, and what is never guessed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.compare import Measure, compare, judge, pair_up
from bench.vocabulary import Better, Kind, Verdict

HIGHER = Measure(metric="output_tokens_per_s", unit="tok/s", better=Better.HIGHER, margin=0.05)
LOWER = Measure(metric="ttft_p50_s", unit="s", better=Better.LOWER, margin=0.05)
SHARE = Measure(metric="error_ratio", unit="ratio", better=Better.LOWER, margin=0.001, kind=Kind.DIFFERENCE)
BYTES = Measure(metric="wire_bytes", unit="bytes", better=Better.LOWER, margin=0.05, kind=Kind.EXACT)

MIRROR = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.WORSE: Verdict.BETTER,
    Verdict.AHEAD: Verdict.BEHIND,
    Verdict.BEHIND: Verdict.AHEAD,
}
numbers = st.lists(
    st.tuples(st.floats(0.5, 2.0, allow_subnormal=False), st.floats(0.5, 2.0, allow_subnormal=False)),
    min_size=3,
    max_size=12,
)


def compared(baseline, candidate, measure=HIGHER, **options):
    return compare(measure, ("a", dict(enumerate(baseline))), ("b", dict(enumerate(candidate))), **options)


@pytest.mark.parametrize(
    ("ci95", "ci90", "verdict"),
    [
        ((0.97, 1.03), (0.98, 1.02), Verdict.EQUAL),
        ((1.01, 1.04), (1.015, 1.035), Verdict.EQUAL),  # a sure difference too small to matter
        ((0.94, 1.04), (0.953, 1.03), Verdict.EQUAL),  # the 90 % interval decides, not the 95 %
        ((1.06, 1.20), (1.07, 1.19), Verdict.BETTER),
        ((0.80, 0.95), (0.82, 0.94), Verdict.WORSE),
        ((1.01, 1.20), (1.02, 1.19), Verdict.AHEAD),
        ((0.80, 0.99), (0.82, 0.98), Verdict.BEHIND),
        ((0.90, 1.20), (0.92, 1.19), Verdict.INCONCLUSIVE),
    ],
)
def test_first_verdict_that_holds(ci95, ci90, verdict):
    assert judge(HIGHER, ci95, ci90) is verdict
    assert judge(LOWER, ci95, ci90) is MIRROR.get(verdict, verdict)


def test_lower_edge_of_equal_is_the_reciprocal_of_the_upper():
    assert judge(HIGHER, (0.951, 1.0), (0.9525, 0.99)) is Verdict.EQUAL
    assert judge(HIGHER, (0.949, 0.999), (0.9520, 0.99)) is Verdict.BEHIND


def test_one_launch_per_arm_is_unknown():
    row = compared([100.0], [200.0])
    assert row.verdict is Verdict.UNKNOWN
    assert (row.ratio, row.ci95, row.ci90, row.mde) == (2.0, None, None, None)
    assert "at least 2 pairs" in row.reason


def test_two_pairs_give_an_interval():
    row = compared([100.0, 101.0], [200.0, 203.0])
    assert row.verdict in (Verdict.BETTER, Verdict.INCONCLUSIVE, Verdict.AHEAD)
    assert row.ci95 is not None


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_numbers_without_a_logarithm_are_unknown(bad):
    row = compared([100.0, 101.0, bad], [100.0, 103.0, 99.0])
    assert row.verdict is Verdict.UNKNOWN
    assert row.ratio is None and row.ci95 is None
    assert row.reason


def test_a_ratio_is_never_shown_from_numbers_on_both_sides_of_zero():
    row = compared([-1.0, -2.0, 3.0], [0.1, 5.0, -0.2])
    assert (row.verdict, row.ratio, row.ci95, row.ci90) == (Verdict.UNKNOWN, None, None, None)


def test_launch_without_the_number_makes_it_unknown_rather_than_being_left_out():
    row = compared([100.0, 101.0, 102.0, None], [100.0, 103.0, 99.0, 104.0], lacking="needs 300 requests")
    assert (row.verdict, row.reason, row.ci95) == (Verdict.UNKNOWN, "needs 300 requests", None)


def test_block_with_one_arm_only_is_left_out():
    row = compare(HIGHER, ("a", {1: 10.0, 2: 11.0, 3: 10.5}), ("b", {2: 12.0, 3: 11.0, 4: 99.0}))
    assert row.n == {"baseline": 2, "candidate": 2, "pairs": 2}
    assert row.ratio == pytest.approx(math.sqrt(12 * 11 / (11 * 10.5)))
    assert row.ratio == pytest.approx(row.candidate_value / row.baseline_value)


def test_without_a_shared_block_launches_stand_unpaired():
    row = compare(HIGHER, ("a", {1: 10.0, 2: 11.0}), ("b", {3: 12.0, 4: 11.0, 5: 13.0}))
    assert row.method == "welch-log-t"
    assert row.n == {"baseline": 2, "candidate": 3, "pairs": 0}


def test_pairing_can_be_refused():
    assert compared([1.0, 2.0], [1.1, 2.1], paired=False).method == "welch-log-t"
    assert not pair_up({1: 1.0}, {1: 1.0}, paired=False).paired


def test_pairing_takes_out_what_a_block_shares():
    baseline, candidate = [100.0, 150.0, 80.0], [110.0, 166.0, 88.5]
    assert compared(baseline, candidate).verdict is Verdict.BETTER
    assert compared(baseline, candidate, paired=False).verdict is Verdict.INCONCLUSIVE


def test_nothing_varying_over_three_launches_is_the_point():
    row = compared([100.0, 110.0, 120.0], [120.0, 132.0, 144.0])
    assert row.ci95 == row.ci90 == pytest.approx((1.2, 1.2))
    assert row.verdict is Verdict.BETTER
    assert row.mde is None


def test_nothing_varying_over_two_launches_is_unknown():
    assert compared([100.0, 100.0], [120.0, 120.0]).verdict is Verdict.UNKNOWN


def test_exact_values_need_no_interval():
    assert compared([100.0], [104.0], BYTES).verdict is Verdict.EQUAL
    row = compared([100.0], [80.0], BYTES)
    assert (row.verdict, row.ci95, row.method) == (Verdict.BETTER, None, "exact")


def test_difference_is_in_the_metrics_own_unit():
    row = compared([0.0, 0.0, 0.01], [0.02, 0.03, 0.02], SHARE)
    assert row.ratio is None
    assert row.delta == pytest.approx(0.02, abs=0.005)
    assert row.method == "paired-t"
    assert compared([0.0] * 3, [0.0] * 3, SHARE).verdict is Verdict.EQUAL


def test_audit_comes_before_every_verdict():
    row = compared([100.0, 101.0, 99.0], [150.0, 152.0, 149.0], not_comparable="other work")
    assert (row.verdict, row.reason) == (Verdict.NOT_COMPARABLE, "other work")


def test_withheld_verdict_shows_no_interval():
    row = compared([100.0, 101.0, 99.0], [150.0, 152.0, 149.0], withhold="provisional: 3 of 6 blocks")
    assert (row.verdict, row.ci95, row.reason) == (Verdict.UNKNOWN, None, "provisional: 3 of 6 blocks")


def test_inconclusive_says_how_many_launches_are_needed():
    row = compared([100.0, 92.0, 108.0], [104.0, 103.0, 99.0])
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.launches_needed > 3
    assert compared([100.0, 101.0, 99.0], [150.0, 152.0, 149.0]).launches_needed is None


@given(numbers)
@settings(max_examples=150, deadline=None)
def test_swapping_the_arms_mirrors_ratio_interval_and_verdict(pairs):
    baseline, candidate = [b for b, _ in pairs], [c for _, c in pairs]
    there, back = compared(baseline, candidate), compared(candidate, baseline)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert back.verdict is MIRROR.get(there.verdict, there.verdict)
    assert there.ci95 == pytest.approx((1 / back.ci95[1], 1 / back.ci95[0]))
    assert there.launches_needed == back.launches_needed


@given(numbers, st.floats(1e-6, 1e6))
@settings(max_examples=150, deadline=None)
def test_unit_does_not_matter(pairs, scale):
    baseline, candidate = [b for b, _ in pairs], [c for _, c in pairs]
    row = compared(baseline, candidate)
    scaled = compared([b * scale for b in baseline], [c * scale for c in candidate])
    assert scaled.ratio == pytest.approx(row.ratio)
    assert scaled.ci95 == pytest.approx(row.ci95)


@given(numbers)
@settings(max_examples=100, deadline=None)
def test_direction_only_names_the_verdict(pairs):
    baseline, candidate = [b for b, _ in pairs], [c for _, c in pairs]
    up, down = compared(baseline, candidate), compared(baseline, candidate, LOWER)
    assert up.ci95 == down.ci95
    assert down.verdict is MIRROR.get(up.verdict, up.verdict)

"""The statistics against other people's code: scipy and statsmodels as oracles."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.integrate import quad
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from bench.analysis import stats
from bench.analysis.compare import Measure, compare
from bench.vocabulary import Better, Verdict

RANDOM = np.random.default_rng(20260101)
SIZES = (2, 3, 6, 10, 25)


def draw(n: int, sd: float = 0.05, shift: float = 0.03) -> tuple[list[float], list[float]]:
    return list(np.exp(RANDOM.normal(0, sd, n)) * 50), list(np.exp(RANDOM.normal(shift, sd, n)) * 50)


@pytest.mark.parametrize("n", SIZES)
def test_paired_interval_and_p_are_those_of_scipy_and_statsmodels(n):
    baseline, candidate = (np.log(values) for values in draw(n))
    ours = stats.paired(list(baseline), list(candidate))
    theirs = scipy_stats.ttest_1samp(candidate - baseline, 0)
    for confidence in (0.90, 0.95):
        assert ours.interval(confidence) == pytest.approx(tuple(theirs.confidence_interval(confidence)), rel=1e-9)
        weighted = DescrStatsW(candidate - baseline).tconfint_mean(alpha=1 - confidence)
        assert ours.interval(confidence) == pytest.approx(weighted, rel=1e-9)
    assert ours.p_two_sided == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_unpaired_interval_is_welch(n):
    baseline, candidate = (np.log(values) for values in (draw(n)[0], draw(n + 3, 0.15)[1]))
    ours = stats.welch(list(baseline), list(candidate))
    theirs = scipy_stats.ttest_ind(candidate, baseline, equal_var=False)
    assert ours.interval(0.95) == pytest.approx(tuple(theirs.confidence_interval(0.95)), rel=1e-9)
    assert ours.df == pytest.approx(theirs.df)
    assert ours.p_two_sided == pytest.approx(theirs.pvalue, rel=1e-9)
    both = CompareMeans(DescrStatsW(candidate), DescrStatsW(baseline))
    assert ours.interval(0.90) == pytest.approx(both.tconfint_diff(alpha=0.1, usevar="unequal"), rel=1e-9)


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.10])
def test_equal_is_exactly_when_statsmodels_tost_rejects_at_5_percent(margin):
    measure = Measure(metric="m", unit="s", better=Better.HIGHER, margin=margin)
    seen = set()
    for n in (3, 6, 10) * 30:
        baseline, candidate = draw(n, margin / 2.5, margin / 4)
        ours = compare(measure, ("a", dict(enumerate(baseline))), ("b", dict(enumerate(candidate))))
        p, *_ = ttost_paired(np.array(candidate), np.array(baseline), 1 / (1 + margin), 1 + margin, transform=np.log)
        assert (ours.verdict is Verdict.EQUAL) == (p <= 0.05)
        seen.add(ours.verdict is Verdict.EQUAL)
    assert seen == {True, False}


@pytest.mark.parametrize("n", [2, 3, 5, 6, 10, 20, 100])
def test_smallest_effect_seen_has_80_percent_power(n):
    """By statsmodels, and by integrating over the spread, since statsmodels gives nan at two pairs."""
    df, effect = n - 1, stats.noncentrality(n - 1)
    critical = scipy_stats.t.ppf(0.975, df)

    def seen(v):
        root = critical * math.sqrt(v / df)
        return (scipy_stats.norm.sf(root - effect) + scipy_stats.norm.cdf(-root - effect)) * scipy_stats.chi2.pdf(v, df)

    ends = scipy_stats.chi2.ppf([1e-14, 1 - 1e-14], df)
    power = sum(quad(seen, low, high, limit=400)[0] for low, high in pairwise([0, ends[0], df, ends[1]]))
    assert power == pytest.approx(0.80, abs=1e-5)
    if n > 2:
        theirs = TTestPower().power(effect_size=effect / math.sqrt(n), nobs=n, alpha=0.05, alternative="two-sided")
        assert theirs == pytest.approx(0.80, abs=1e-6)


def test_smallest_effect_seen_gives_the_published_table():
    """Method 1.4: at launch noise of 3 % unpaired within blocks, MDE 13.9 % at 3 blocks, 6.1 % at 6, 4.2 % at 10."""
    for n, percent in ((3, 13.9), (5, 7.1), (6, 6.1), (10, 4.2), (20, 2.8)):
        sd = math.sqrt(2) * 0.03
        assert 100 * stats.noncentrality(n - 1) * sd / math.sqrt(n) == pytest.approx(percent, abs=0.1)


@pytest.mark.parametrize(
    ("noise", "margin", "blocks"),
    [(0.01, 0.05, 3), (0.03, 0.05, 8), (0.03, 0.03, 19), (0.03, 0.10, 4), (0.08, 0.05, 46), (0.08, 0.10, 13)],
)
def test_launches_needed_for_equality_are_those_of_the_published_table(noise, margin, blocks):
    """Method 1.4, columns of TOST, whose limits are +-margin on the logarithm; it rounds, so one block either way."""
    estimate = stats.Estimate(0.0, 1.0, 2.0, math.sqrt(2) * noise)
    assert abs(stats.launches_needed(estimate, margin, 2) - blocks) <= 1


def test_launches_needed_are_enough_and_the_least():
    for centre in (0.0, 0.02, 0.049, 0.05, 0.08):
        for sd in (0.02, 0.05, 0.2):
            margin = math.log(1.05)
            n = stats.launches_needed(stats.Estimate(centre, 1.0, 2.0, sd), margin, 3)
            assert n > 3
            se = sd / math.sqrt(n)
            low90, high90 = centre - stats.t_quantile(0.95, n - 1) * se, centre + stats.t_quantile(0.95, n - 1) * se
            decided = (-margin <= low90 and high90 <= margin) or centre > stats.t_quantile(0.975, n - 1) * se
            assert decided, (centre, sd, n)


def test_launches_needed_beyond_any_budget_are_none():
    assert stats.launches_needed(stats.Estimate(0.0, 1.0, 2.0, 50.0), 0.01, 3) is None


def test_holm_is_that_of_statsmodels():
    for n in (1, 2, 7, 40):
        p = list(RANDOM.uniform(0, 0.2, n))
        assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert stats.holm([]) == []


@pytest.mark.parametrize("n", [6, 8, 10])
def test_sign_flips_are_scipys_exact_permutation_test(n):
    differences = RANDOM.normal(0.04, 0.05, n)
    theirs = scipy_stats.permutation_test(
        (differences, np.zeros(n)), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert stats.sign_flip_p(list(differences)) == pytest.approx(theirs.pvalue)


def test_six_pairs_are_the_floor_of_the_sign_flip_test():
    assert stats.sign_flip_p([0.1] * 5) is None
    assert stats.sign_flip_p([0.1] * 6) == pytest.approx(2 / 64)
    assert stats.sign_flip_p([0.1] * 17) is None


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (1, 20), (7, 40), (20, 20)])
def test_binomial_interval_is_clopper_pearsons(successes, trials):
    theirs = scipy_stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert stats.clopper_pearson(successes, trials) == pytest.approx((theirs.low, theirs.high))


def test_trend_is_scipys_linear_regression():
    places, values = [0.0, 1.0, 2.0, 4.0, 5.0], [1.0, 1.2, 1.1, 1.6, 1.5]
    theirs = scipy_stats.linregress(places, values)
    ours = stats.trend(places, values)
    assert (ours.centre, ours.se) == pytest.approx((theirs.slope, theirs.stderr))
    assert ours.p_two_sided == pytest.approx(theirs.pvalue)


def test_equal_numbers_have_no_spread_though_floats_round():
    assert stats.one_sample([0.1 + 0.2, 0.3, 0.3]).se == 0.0
    assert stats.paired([math.log(3.0)] * 4, [math.log(3.3)] * 4).interval(0.95) == pytest.approx((math.log(1.1),) * 2)

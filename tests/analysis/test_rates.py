"""How often the verdict is right: simulated experiments whose truth is known, through the real code.

The expected rates come from an earlier simulation in other code (3000 trials each, launch noise 1, 3 and 8 %, no
correlation within a block).
"""

import math
from collections import Counter

import numpy as np
import pytest

from bench.analysis.compare import Measure, compare
from bench.vocabulary import Better, Verdict

TRIALS = 2000
MEASURE = Measure(metric="output_tokens_per_s", unit="tok/s", better=Better.HIGHER, margin=0.05)
DIRECTED = (Verdict.BETTER, Verdict.WORSE, Verdict.AHEAD, Verdict.BEHIND)


def experiments(noise, n, true_ratio):
    random = np.random.default_rng([int(noise * 100), n, int(true_ratio * 1000)])
    baseline = 100 * np.exp(random.normal(0, noise, (TRIALS, n)))
    candidate = 100 * true_ratio * np.exp(random.normal(0, noise, (TRIALS, n)))
    for b, c in zip(baseline.tolist(), candidate.tolist(), strict=True):
        yield compare(MEASURE, ("a", dict(enumerate(b))), ("b", dict(enumerate(c))))


def tolerance(rate, trials=TRIALS):
    """Four standard errors of the difference between this simulation and the earlier one."""
    return 4 * math.sqrt(max(rate * (1 - rate), 0.002) * (1 / trials + 1 / 3000))


@pytest.mark.parametrize("n", [3, 6, 10])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.08])
def test_equal_arms_are_rarely_told_apart(noise, n):
    rows = list(experiments(noise, n, 1.0))
    covered = sum(row.ci95[0] <= 1 <= row.ci95[1] for row in rows) / TRIALS
    verdicts = Counter(row.verdict for row in rows)
    assert 0.93 <= covered <= 0.97
    assert verdicts[Verdict.BETTER] / TRIALS <= 0.025
    assert verdicts[Verdict.WORSE] / TRIALS <= 0.025
    assert sum(verdicts[v] for v in DIRECTED) / TRIALS <= 0.05 + tolerance(0.05)


@pytest.mark.parametrize(
    ("noise", "n", "true_ratio", "rates"),
    [
        (0.03, 6, 1.00, {"equal": 0.59, "inconclusive": 0.38, "directed": 0.03}),
        (0.03, 6, 1.05, {"ahead": 0.57, "inconclusive": 0.35, "equal": 0.05, "better": 0.025}),
        (0.03, 6, 1.10, {"better": 0.59, "ahead": 0.40}),
        (0.03, 6, 1.15, {"better": 0.99}),
        (0.03, 10, 1.00, {"equal": 0.92}),
        (0.03, 10, 1.10, {"better": 0.87}),
        (0.01, 6, 1.00, {"equal": 1.0}),
        (0.01, 6, 1.10, {"better": 1.0}),
        (0.08, 10, 1.00, {"inconclusive": 0.93}),
        (0.08, 10, 1.15, {"better": 0.62}),
    ],
)
def test_verdicts_come_as_often_as_another_simulation_says(noise, n, true_ratio, rates):
    verdicts = Counter(row.verdict for row in experiments(noise, n, true_ratio))
    counts = {**verdicts, "directed": sum(verdicts[v] for v in DIRECTED)}
    for verdict, rate in rates.items():
        assert counts.get(verdict, 0) / TRIALS == pytest.approx(rate, abs=tolerance(rate) + 0.005), verdicts


def test_difference_at_the_very_margin_is_hardly_ever_called_better_or_equal():
    verdicts = Counter(row.verdict for row in experiments(0.03, 10, 1.05))
    assert verdicts[Verdict.BETTER] / TRIALS <= 0.025 + tolerance(0.025)
    assert verdicts[Verdict.EQUAL] / TRIALS <= 0.05 + tolerance(0.05)


def test_size_of_sample_asked_for_shows_equality_with_80_percent_power():
    """At 3 % noise and a margin of 5 % 8 blocks are asked for; equal arms are then called equal 4 times in 5."""
    equal = sum(row.verdict is Verdict.EQUAL for row in experiments(0.03, 8, 1.0)) / TRIALS
    assert equal >= 0.80 - tolerance(0.80)

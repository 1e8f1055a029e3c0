"""Slopes, predictions and packings against runs whose truth is known."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.analysis import dose, dose_doubts, dose_fit, summarise, to_json
from bench.analysis.dose_prediction import line_of
from bench.analysis.dose_rows import DoseRow, dose_rows
from bench.analysis.numbers import Numbers
from bench.conclusion import Dose as Dosed
from bench.conclusion import Estimated, Split
from bench.model import Dose
from bench.store.reader import LaunchData
from tests import dosed
from tests.dosed import DOSE, LAYERS, Truth
from tests.synthetic import make_run

EXACT = Truth(of_block=0.0, of_launch=0.0)
DOSES_GB = (0.2, 0.7, 1.2, 2.2, 4.2)
TRIALS = 500


@pytest.fixture(scope="module")
def exact():
    return summarise(dosed.dosed_run(EXACT, blocks=3)).dose


@pytest.fixture(scope="module")
def noisy_run():
    return dosed.dosed_run()


@pytest.fixture(scope="module")
def noisy(noisy_run):
    return summarise(noisy_run).dose


def by_metric(rows):
    return {row.metric: row for row in rows}


def row(block: int, gb: float, seconds: float, arm: str = "series") -> DoseRow:
    return DoseRow(
        launch=0, block=block, arm=arm, wire_gb=gb, disk_gb=gb, kilofiles=1.0, layers=1, times={"extract_s": seconds}
    )


def blocks_of(random: np.random.Generator, n: int, *, slope_sd: float, launch_sd: float) -> dict[int, list[DoseRow]]:
    """Blocks whose own slope is drawn about 9 s/GB, with launches that scatter about it."""
    found = {}
    for block in range(n):
        slope, level = random.normal(9.0, slope_sd), random.normal(1.0, slope_sd)
        found[block] = [row(block, gb, level + slope * gb + random.normal(0, launch_sd)) for gb in DOSES_GB]
    return found


@pytest.mark.parametrize(
    ("metric", "per", "slope", "at_zero"),
    [
        ("build_s", "disk", 6.0, 8.0), ("push_s", "disk", 31.0, 0.5), ("download_s", "wire", 1.4, 0.2),
        ("extract_s", "disk", 9.0, 0.0), ("start_to_first_token_s", "disk", 0.0, 1.2),
    ],
)  # fmt: skip
def test_without_noise_the_slope_is_the_truth_to_the_last_digit(exact, metric, per, slope, at_zero):
    found = by_metric(exact.slopes)[metric]
    assert (found.per, found.s_per_gb.n) == (per, 3)
    assert found.s_per_gb.value == pytest.approx(slope, abs=1e-9)
    assert found.at_zero_s.value == pytest.approx(at_zero, abs=1e-9)
    assert found.s_per_gb.ci95 == pytest.approx((slope, slope), abs=1e-8)
    assert found.bend_s.value == pytest.approx(0.0, abs=1e-9)


def test_pull_of_ballast_costs_its_download_and_its_unpacking(exact):
    found = by_metric(exact.slopes)
    assert found["pull_s"].s_per_gb.value == pytest.approx(1.4 + 9.0)
    assert found["pull_to_first_token_s"].s_per_gb.value == pytest.approx(1.4 + 9.0)


def test_without_noise_every_prediction_is_what_was_measured_though_the_images_compress(exact):
    assert {one.arm for one in exact.predictions} == set(DOSE.predict)
    assert {one.metric for one in exact.predictions} == set(dose.PER) - {"build_s"}
    for one in exact.predictions:
        assert one.predicted_s == pytest.approx(one.measured.value), (one.metric, one.arm)
        assert one.ratio.value == pytest.approx(1.0)


def test_images_unlike_the_series_are_marked_by_what_they_are_unlike(exact):
    """The series: 0.18 to 4.18 GB in 900 files; pushed with a base of 4,000 files, so multi-stage's 4,000 are 8,000."""
    by = {(one.metric, one.arm): one.beyond for one in exact.predictions}
    assert {arm for (_, arm), beyond in by.items() if "bytes" in beyond} == {"stripped"}
    assert {arm for (metric, arm), beyond in by.items() if metric == "pull_s" and "files" in beyond} == set(
        DOSE.predict
    )
    assert by["push_s", "multi-stage"] == ("compression",)
    assert by["download_s", "as-written"] == by["download_s", "multi-stage"] == ()


def test_slope_is_the_mean_of_each_blocks_own_regression_with_a_t_interval_over_blocks(noisy, noisy_run):
    slopes = []
    for block in range(4):
        mine = [one.launch for one in noisy_run.launches if one.launch.block == block]
        pairs = [(sum(d for _, d, _ in LAYERS[one.arm]) / 1e3, one.image.push.wall_s) for one in mine
                 if one.arm in DOSE.series]  # fmt: skip
        slopes.append(scipy_stats.linregress(*zip(*pairs, strict=True)).slope)
    found = by_metric(noisy.slopes)["push_s"].s_per_gb
    assert found.value == pytest.approx(np.mean(slopes))
    assert found.ci95 == pytest.approx(tuple(scipy_stats.ttest_1samp(slopes, 0).confidence_interval(0.95)))


@pytest.mark.parametrize(("slope_sd", "launch_sd"), [(0.0, 0.4), (0.5, 0.2)])
@pytest.mark.parametrize("n", [3, 6])
def test_interval_of_the_slope_covers_the_truth_at_the_nominal_rate(n, slope_sd, launch_sd):
    """500 simulated runs: the binomial standard error of 95 % is 1 %."""
    random, covered = np.random.default_rng(n), 0
    for _ in range(TRIALS):
        low, high = dose.slope_of(
            "extract_s", blocks_of(random, n, slope_sd=slope_sd, launch_sd=launch_sd)
        ).s_per_gb.ci95
        covered += low <= 9.0 <= high
    assert covered / TRIALS == pytest.approx(0.95, abs=0.03)


def test_pooling_the_launches_would_claim_more_than_it_knows():
    """Why the block is the replicate: one regression over all launches covers far less than it says."""
    random, covered = np.random.default_rng(5), 0
    for _ in range(200):
        rows = [one for few in blocks_of(random, 4, slope_sd=0.5, launch_sd=0.2).values() for one in few]
        fit = scipy_stats.linregress([one.disk_gb for one in rows], [one.times["extract_s"] for one in rows])
        half = scipy_stats.t.ppf(0.975, len(rows) - 2) * fit.stderr
        covered += abs(fit.slope - 9.0) <= half
    assert covered / 200 < 0.85


@pytest.mark.parametrize(("slope_sd", "launch_sd"), [(0.0, 0.4), (0.5, 0.2)])
def test_prediction_interval_holds_about_95_of_100_further_launches(slope_sd, launch_sd):
    random, inside = np.random.default_rng(11), 0
    for _ in range(TRIALS):
        blocks = blocks_of(random, 4, slope_sd=slope_sd, launch_sd=launch_sd)
        lines = [line_of("extract_s", rows) for rows in blocks.values()]
        low, high = dose_fit.prediction_interval(lines, [line.at(3.0, 3.0) for line in lines])
        truth = random.normal(1.0, slope_sd) + random.normal(9.0, slope_sd) * 3.0 + random.normal(0, launch_sd)
        inside += low <= truth <= high
    assert 0.92 <= inside / TRIALS <= 0.995


def test_curve_is_seen_and_said():
    blocks = {b: [row(b, gb, 9 * gb + 1.5 * gb**2 + 0.01 * b * gb) for gb in DOSES_GB] for b in range(4)}
    bend = dose.slope_of("extract_s", blocks).bend_s
    assert bend.value == pytest.approx(1.5 * 2.0**2, rel=1e-6)  # quadratic x (half the range of 4 GB)^2
    assert bend.ci95[0] > 0


def test_one_block_gives_slopes_without_intervals_and_says_so():
    found = summarise(dosed.dosed_run(blocks=1)).dose
    assert all(slope.s_per_gb.ci95 is None and slope.s_per_gb.n == 1 for slope in found.slopes)
    assert all(one.interval95 is None and one.within is None for one in found.predictions)
    assert any("One block" in text for text in found.doubts)


def test_wire_and_disk_are_told_apart_where_images_compress(exact):
    found = by_metric(exact.splits)
    for metric, wire, disk in (("download_s", 1.4, 0.0), ("extract_s", 0.0, 9.0), ("pull_s", 1.4, 9.0)):
        assert found[metric].s_per_wire_gb.value == pytest.approx(wire, abs=1e-8)
        assert found[metric].s_per_disk_gb.value == pytest.approx(disk, abs=1e-8)


def test_bytes_that_rise_together_are_not_told_apart():
    gb = list(DOSES_GB)
    assert not dose_fit.can_be_told_apart([gb, [x * 1.01 for x in gb]])
    assert not dose_fit.can_be_told_apart([gb, [3.0] * 5])
    assert not dose_fit.can_be_told_apart([gb[:3], [1.0, 0.2, 5.0]])  # three points give three coefficients no test
    assert dose_fit.can_be_told_apart([gb, [1.0, 0.2, 3.0, 0.1, 2.0]])


def test_one_fat_layer_against_four_is_a_ratio_within_the_blocks(noisy, noisy_run):
    found = by_metric(noisy.packings)["pull_s"]
    logs = []
    for block in range(4):
        of = {one.launch.arm: one.launch.image.pull.wall_s for one in noisy_run.launches if one.launch.block == block}
        logs.append(math.log(of["random-2-in-4"] / of["random-2"]))
    low, high = scipy_stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (found.first, found.second) == ("random-2", "random-2-in-4")
    assert found.ratio.value == pytest.approx(math.exp(np.mean(logs)))
    assert found.ratio.ci95 == pytest.approx((math.exp(low), math.exp(high)))


def test_launches_that_are_burn_in_are_in_no_line(noisy_run):
    first = [dataclasses.replace(one, launch=dataclasses.replace(one.launch, burn_in=one.launch.block == 0))
             for one in noisy_run.launches]  # fmt: skip
    found = summarise(dataclasses.replace(noisy_run, launches=tuple(first))).dose
    assert {slope.s_per_gb.n for slope in found.slopes} == {3}


def test_images_that_nobody_looked_into_give_no_slope_and_are_named(noisy_run):
    found = summarise(dataclasses.replace(noisy_run, contents={})).dose
    assert found.slopes == () and found.predictions == ()
    assert any("random-0.5" in text and "not known" in text for text in found.doubts)


def test_run_without_a_dose_has_none_and_its_summary_no_such_key():
    summary = summarise(make_run(blocks=1))
    assert summary.dose is None and "dose" not in to_json(summary)


def test_time_that_is_no_number_is_no_time(noisy_run):
    first = noisy_run.launches[0].launch
    push = dataclasses.replace(first.image.push, wall_s=math.nan)
    broken = dataclasses.replace(first, image=dataclasses.replace(first.image, push=push))
    rows = dose_rows(Numbers(dataclasses.replace(noisy_run, launches=(LaunchData(broken, None, None, Path()),))))
    assert "push_s" not in rows[0].times and "pull_s" in rows[0].times


def test_dose_of_arms_that_never_pulled_says_so():
    dose_of_two = Dose(series=("a", "b", "b"))
    found = summarise(make_run(blocks=2, dose=dose_of_two)).dose
    assert found.slopes == () and any("No launch that counts pulled" in text for text in found.doubts)


def test_summary_json_holds_the_dose_plain():
    document = to_json(summarise(dosed.dosed_run(blocks=1)))["dose"]
    assert {slope["metric"] for slope in document["slopes"]} == set(dose.PER)
    assert document["bandwidth_bits_per_s"] is None


@pytest.mark.parametrize(
    ("ci95", "files", "is_said"),
    [((0.4, 1.1), 16_000.0, True), ((-0.1, 1.5), 16_000.0, False), ((0.4, 1.1), 1.0, False)],
)
def test_images_of_many_files_are_named_where_files_surely_cost_time(ci95, files, is_said):
    doses = [Dosed(arm=arm, wire_bytes=1e9, disk_bytes=1e9, files=1.0, layers=1.0) for arm in DOSE.series]
    doses.append(Dosed(arm="as-written", wire_bytes=1e9, disk_bytes=1e9, files=files, layers=1.0))
    per_gb = Estimated(value=5.0, ci95=(4.0, 6.0), n=3)
    split = Split(
        metric="pull_s", arms=DOSE.series, s_per_wire_gb=per_gb, s_per_disk_gb=per_gb,
        s_per_1000_files=Estimated(value=0.72, ci95=ci95, n=3),
    )  # fmt: skip
    said = [text for text in dose_doubts.doubts(DOSE, doses, [], [split]) if text.startswith("Files cost time")]
    assert bool(said) is is_said
    assert all("as-written" in text and "0.72 s" in text for text in said)


def test_no_arm_of_a_dose_is_chosen_and_the_price_is_the_answer(noisy_run):
    made = summarise(noisy_run).decision
    assert (made.arms, made.state, made.side) == ((), "unknown", "none")
    assert (
        made.sentence.startswith("Pull to first token: ") and "for each gigabyte on the disk (95 % CI" in made.sentence
    )
    assert len(made.because) == len(dose.PER) - 1


def test_packings_of_a_whole_run_are_set_against_each_other_by_what_they_unpack():
    """9 s to unpack a gigabyte: 2.20 GB as written, 0.33 and 0.045 GB leaner; all start in 1.2 s."""
    asked = dataclasses.replace(DOSE, packings=("stripped", "as-written", "multi-stage"))
    found = summarise(dosed.dosed_run(EXACT, blocks=3, dose=asked)).dose
    lost = {(one.first, one.second): one for one in found.break_even if one.second}
    assert set(lost) == {("as-written", "stripped"), ("as-written", "multi-stage")}
    lean = lost["as-written", "multi-stage"]
    assert lean.wire_bytes_saved == pytest.approx((710 - 120) * 1e6)
    assert lean.lost_beside_download_s.value == pytest.approx(9.0 * (0.33 - 2.2))
    assert lean.bits_per_s is None  # it gains: it pays at any bandwidth
    assert not [one for one in summarise(dosed.dosed_run(EXACT, blocks=1)).dose.break_even if one.second]

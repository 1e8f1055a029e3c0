"""From a run to its summary: the decision, what stands in it, and summary.json."""

import dataclasses
import json
import math
import re

import pytest

from bench.analysis import summarise, to_json
from bench.analysis.metrics import BY_NAME
from bench.analysis.numbers import Cell
from bench.analysis.summary import same_against_same, value_of
from bench.model import Primary, Stage
from bench.store.reader import load_run
from bench.vocabulary import Level, Question, Role, RunStatus, Side, Verdict
from tests.synthetic import Fake, make_run, write_run

A, B = Fake(side=Side.BUY), Fake(args=("--parallel", "4"))
ARMS = {"nim": A, "custom": B}


def primary(summary):
    return next(c for c in summary.comparisons if c.role is Role.PRIMARY)


def test_faster_candidate_is_chosen_and_the_sentence_holds_the_number():
    summary = summarise(make_run(ARMS, blocks=6, ratio=1.3))
    made = summary.decision
    assert (made.arms, made.state, made.side) == (("custom",), "one", "build")
    ratio = primary(summary).ratio
    more = f"{(ratio - 1) * 100:.1f} % higher"
    assert made.sentence.startswith(f"custom: output tokens/s {more} than nim at c4 (95 % CI ")
    assert made.sentence.endswith("6 pairs).")


def test_faster_baseline_is_chosen():
    made = summarise(make_run(ARMS, blocks=6, ratio=0.7)).decision
    assert (made.arms, made.side) == (("nim",), "buy")


def test_equal_arms_are_both_chosen():
    made = summarise(make_run(ARMS, blocks=8, noise=0.005, seed=3)).decision
    assert (set(made.arms), made.state, made.side) == ({"nim", "custom"}, "several", "none")
    assert "No practical difference at ±5 %" in made.sentence
    assert "four times in five" in made.because[0]


def test_equal_arms_of_one_side_choose_that_side():
    arms = {"one": B, "other": dataclasses.replace(B, args=("--x",))}
    assert summarise(make_run(arms, blocks=8, noise=0.005, seed=3)).decision.side == "build"


def test_undecided_run_says_how_many_launches_would_tell():
    summary = summarise(make_run(ARMS, blocks=3, noise=0.08, seed=5))
    assert primary(summary).verdict is Verdict.INCONCLUSIVE
    made = summary.decision
    assert (made.arms, made.state, made.side) == ((), "unknown", "none")
    assert f"about {primary(summary).launches_needed} launches of each arm would tell (3 now)" in made.sentence


def test_sure_direction_of_unsure_size_is_a_choice_that_says_so():
    data = next(
        d
        for seed in range(40)
        if primary(summarise(d := make_run(ARMS, blocks=6, ratio=1.07, noise=0.02, seed=seed))).verdict is Verdict.AHEAD
    )
    made = summarise(data).decision
    assert made.arms == ("custom",)
    assert "the size is not" in made.sentence
    assert "reaches into the margin of 5 %" in made.because[0]


def test_what_speaks_against_the_choice_is_said():
    slow_first = dataclasses.replace(B, speed=1.3, ttft_s=0.09, tpot_s=0.002)
    made = summarise(make_run({"nim": A, "custom": slow_first}, blocks=6)).decision
    assert made.arms == ("custom",)
    assert any(text.startswith("But custom is worse in TTFT p50 at c4") for text in made.because)


def test_decision_names_the_question_that_was_asked():
    for question, words in ((Question.CONTAINER, "all else matched"), (Question.SHIPPED, "defaults against defaults")):
        made = summarise(make_run(ARMS, ratio=1.5, question=question)).decision
        assert any(words in text for text in made.because)


def test_best_of_three_arms_is_chosen_against_each():
    arms = {
        "nim": A,
        "slow": dataclasses.replace(B, speed=0.8),
        "fast": dataclasses.replace(B, speed=1.4, args=("-f",)),
    }
    summary = summarise(make_run(arms, blocks=6))
    assert summary.decision.arms == ("fast",)
    assert len([c for c in summary.comparisons if c.role is Role.PRIMARY]) == 2


def test_two_equal_winners_of_three_are_both_chosen():
    fast = dataclasses.replace(B, speed=1.4)
    arms = {"nim": A, "one": fast, "other": dataclasses.replace(fast, args=("-f",))}
    made = summarise(make_run(arms, blocks=8, noise=0.005)).decision
    assert (set(made.arms), made.side) == ({"one", "other"}, "build")


def test_lower_is_better_where_the_metric_says_so():
    summary = summarise(make_run(ARMS, blocks=6, ratio=1.5, primary=Primary(metric="ttft_p50_s", stage="c1")))
    assert primary(summary).ratio < 1
    assert primary(summary).verdict is Verdict.BETTER
    assert summary.decision.arms == ("custom",)
    assert "lower than nim at c1" in summary.decision.sentence


def test_primary_may_belong_to_the_launch():
    summary = summarise(make_run(ARMS, blocks=6, ratio=1.5, primary=Primary(metric="start_to_first_token_s")))
    assert primary(summary).at == {}
    assert summary.decision.arms == ("custom",)


def test_cold_starts_of_different_levels_are_never_mixed():
    data = make_run(ARMS, blocks=4, ratio=1.5)
    launches = tuple(
        dataclasses.replace(
            one, launch=dataclasses.replace(one.launch, level=Level.L3 if one.launch.block < 3 else Level.L4)
        )
        for one in data.launches
    )
    rows = [
        c for c in summarise(dataclasses.replace(data, launches=launches)).comparisons if c.metric == "start_to_ready_s"
    ]
    assert [(dict(c.at), c.n["pairs"]) for c in rows] == [({"level": "L3"}, 2), ({"level": "L4"}, 2)]


def test_margin_of_the_scenario_replaces_the_tables():
    summary = summarise(make_run(ARMS, margins={"output_tokens_per_s": 0.5}, ratio=1.2, blocks=6))
    assert primary(summary).margin == 0.5
    assert primary(summary).verdict is Verdict.EQUAL


def test_unfinished_run_gives_no_verdict():
    data = make_run(ARMS, blocks=6, ratio=1.5, status=RunStatus.STARTED)
    some = dataclasses.replace(data, launches=tuple(one for one in data.launches if one.launch.block <= 3))
    summary = summarise(some)
    assert summary.provisional
    assert {c.verdict for c in summary.comparisons} == {Verdict.UNKNOWN}
    assert (summary.decision.state, summary.decision.sentence[:28]) == ("unknown", "Provisional: 3 of 6 blocks; ")
    assert not summarise(data).provisional  # all blocks are there, only the end is not written yet


def test_run_without_a_single_good_launch_is_unknown():
    data = make_run(ARMS, status=RunStatus.FAILED)
    summary = summarise(dataclasses.replace(data, launches=()))
    assert summary.decision.state == "unknown"
    json.dumps(to_json(summary), allow_nan=False)


def test_arm_without_a_single_good_launch_is_named():
    data = make_run(ARMS)
    only = tuple(one for one in data.launches if one.launch.arm == "nim")
    made = summarise(dataclasses.replace(data, launches=only)).decision
    assert (made.state, made.sentence) == ("unknown", "Not known: no output_tokens_per_s at c4 of custom.")


def test_one_block_proves_nothing():
    summary = summarise(make_run(ARMS, blocks=1, ratio=2.0))
    assert {c.verdict for c in summary.comparisons if c.kind.value == "sampled"} == {Verdict.UNKNOWN}
    assert summary.decision.state == "unknown"


def test_last_attempt_of_a_launch_counts():
    data = make_run(ARMS, blocks=3)
    again = data.launches[-1]
    twice = dataclasses.replace(again, launch=dataclasses.replace(again.launch, attempt=2, marks={}))
    summary = summarise(dataclasses.replace(data, launches=(*data.launches, twice)))
    row = next(c for c in summary.comparisons if c.metric == "start_to_ready_s")
    assert row.verdict is Verdict.UNKNOWN
    assert str(again.launch.index) in row.reason


def test_launch_value_is_the_median_over_rounds():
    data = make_run(ARMS, blocks=2, rounds=3)
    cell = next(v for v in summarise(data).arms["nim"].values if v.metric == "tpot_p50_s" and v.at == {"stage": "c4"})
    one = next(x for x in data.launches if x.launch.index in cell.per_launch)
    from bench.analysis.metrics import stage_values

    rounds = sorted(stage_values(one.requests, w)["tpot_p50_s"] for w in one.launch.stages if w.stage == "c4")
    assert cell.per_launch[one.launch.index] == rounds[1]


def test_too_few_rows_for_p99_are_unknown_with_the_count():
    row = next(c for c in summarise(make_run(ARMS)).comparisons if c.metric == "ttft_p99_s")
    assert row.verdict is Verdict.UNKNOWN
    assert "needs 300 good requests" in row.reason and "launch" in row.reason


def test_no_failure_seen_says_what_stays_unseen():
    row = next(c for c in summarise(make_run(ARMS)).comparisons if c.metric == "error_ratio")
    assert (row.verdict, row.ci95) == (Verdict.UNKNOWN, None)
    assert re.search(r"shares below \d[\d.]* % stay unseen", row.reason)


def test_no_failure_among_enough_requests_is_equal():
    rows = summarise(make_run(ARMS, margins={"error_ratio": 0.5})).comparisons
    row = next(c for c in rows if c.metric == "error_ratio")
    assert row.verdict is Verdict.EQUAL
    assert "stay unseen" in row.reason


def test_incomparable_rows_are_not_in_the_family_of_holm():
    data = make_run({"nim": A, "custom": dataclasses.replace(B, output_tokens=24)}, blocks=4)
    rows = [c for c in summarise(data).comparisons if c.verdict is Verdict.NOT_COMPARABLE]
    assert rows and {c.p_holm for c in rows} == {None}


@pytest.mark.parametrize(("values", "ci95"), [([2.0, 2.0], None), ([2.0, 2.0, 2.0], (2.0, 2.0))])
def test_equal_values_of_an_arm_are_an_interval_from_three_launches_on(values, ci95):
    cell = Cell(BY_NAME["start_to_ready_s"], {}, {"nim": dict(enumerate(values))})
    assert value_of(cell, "nim").ci95 == pytest.approx(ci95)


def test_share_without_a_failure_has_no_interval_of_its_own():
    cell = Cell(BY_NAME["error_ratio"], {}, {"nim": dict(enumerate([0.0] * 6))})
    assert (value_of(cell, "nim").value, value_of(cell, "nim").ci95) == (0.0, None)


def test_same_arms_make_an_aa_run():
    summary = summarise(make_run({"one": B, "other": B}, blocks=6, seed=2))
    aa = summary.aa
    assert aa["of"] > 10 and 0 <= aa["excluding_1"] <= aa["of"]
    assert aa["share"] == aa["excluding_1"] / aa["of"]
    assert aa["ci95"][0] <= aa["share"] <= aa["ci95"][1]
    assert summary.decision.sentence.startswith("A/A run. ")
    assert "A/A run" in summary.decision.because[0]
    assert summarise(make_run(ARMS)).aa is None


def test_aa_run_that_differs_accuses_the_method():
    summary = summarise(make_run({"one": B, "other": B}, blocks=6, ratio=1.5))
    assert summary.aa["primary_ci_contains_1"] is False
    assert "aa-differs" in {f.id for f in summary.findings}


def test_aa_share_of_no_comparison_is_unknown():
    assert same_against_same(()) == {
        "primary_ci_contains_1": None,
        "excluding_1": 0,
        "of": 0,
        "share": None,
        "ci95": None,
    }


@pytest.fixture(scope="module")
def document():
    return to_json(summarise(make_run(ARMS, blocks=3, ratio=1.3)))


def test_json_has_the_keys_of_the_contract(document):
    assert set(document) == {
        "schema", "nimbench_version", "scenario", "run", "status", "created_utc", "provisional", "aa", "arms",
        "comparisons", "findings", "decision",
    }  # fmt: skip
    assert set(document["arms"]["nim"]) == {"side", "values"}
    assert {tuple(value) for value in document["arms"]["nim"]["values"]} == {("metric", "at", "value", "ci95", "n")}
    assert {tuple(sorted(row)) for row in document["comparisons"]} == {
        tuple(sorted((
            "metric", "at", "baseline", "candidate", "role", "kind", "unit", "better", "baseline_value",
            "candidate_value", "ratio", "ci95", "ci90", "delta", "margin", "verdict", "reason", "method", "p_holm", "n",
            "mde", "launches_needed",
        )))
    }  # fmt: skip
    assert {tuple(sorted(row)) for row in document["findings"]} == {
        tuple(sorted(("id", "severity", "at", "arm", "launch", "text", "next")))
    }
    assert set(document["decision"]) == {"choice", "sentence", "because", "break_even"}
    assert document["decision"]["choice"] == {"arms": ["custom"], "state": "one", "side": "build"}


def test_json_is_plain_and_finite(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_unknown_number_is_null(document):
    summary = summarise(make_run(ARMS))
    strange = dataclasses.replace(summary.comparisons[0], mde=math.nan, ratio=math.inf)
    row = to_json(dataclasses.replace(summary, comparisons=(strange,)))["comparisons"][0]
    assert (row["mde"], row["ratio"]) == (None, None)


def test_run_folder_gives_the_same_summary_as_the_run_in_memory(tmp_path):
    data = make_run(ARMS, blocks=2, ratio=1.2, stages=(Stage(id="c4", concurrency=4, duration_s=3.0),))
    read = load_run(write_run(data, tmp_path))
    ours, theirs = to_json(summarise(data)), to_json(summarise(read))
    assert theirs["comparisons"] == ours["comparisons"]
    assert theirs["decision"] == ours["decision"]
    assert read.missing == ()

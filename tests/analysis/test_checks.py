"""Each finding appears when its cause is put into a run that is otherwise clean, and not before."""

import dataclasses
from pathlib import Path

import pytest

from bench.analysis import summarise
from bench.container import Coldstart
from bench.model import Stage
from bench.record import Failure, Stamp
from bench.vocabulary import FailureKind, ImageAbsent, LaunchStatus, Mark, Replication, RunStatus, Severity
from tests.synthetic import Fake, make_run

A, B = Fake(), Fake(args=("--parallel", "4"))


def ids(data) -> set[str]:
    return {finding.id for finding in summarise(data).findings}


def found(data, name):
    return [finding for finding in summarise(data).findings if finding.id == name]


def changed(data, change, *, arm=None):
    """The run with `change(LaunchData) -> LaunchData` applied to the launches of an arm."""
    launches = tuple(change(one) if arm in (None, one.launch.arm) else one for one in data.launches)
    return dataclasses.replace(data, launches=launches)


def with_launch(**fields):
    return lambda one: dataclasses.replace(one, launch=dataclasses.replace(one.launch, **fields))


def with_windows(**fields):
    def change(one):
        stages = tuple(dataclasses.replace(window, **fields) for window in one.launch.stages)
        return dataclasses.replace(one, launch=dataclasses.replace(one.launch, stages=stages))

    return change


def with_rows(edit):
    def change(one):
        table = one.requests.copy()
        edit(table)
        return dataclasses.replace(one, requests=table)

    return change


@pytest.fixture(scope="module")
def clean():
    return make_run({"a": A, "b": B}, blocks=6, seed=4, ratio=1.2)


def test_clean_run_has_no_warning(clean):
    findings = summarise(clean).findings
    assert [f.id for f in findings if f.severity is not Severity.INFO] == []
    assert "burn-in-dropped" in {f.id for f in findings}


def test_every_finding_says_number_and_cause(clean):
    data = changed(clean, with_windows(in_flight_reached=0, in_flight_reached_s=None))
    for finding in summarise(data).findings:
        assert any(character.isdigit() for character in finding.text), finding.text
        assert finding.severity is Severity.INFO or finding.next


def test_lost_launch_is_told_with_its_failure(clean):
    failure = Failure(kind=FailureKind.GPU_MEMORY, text="out of memory", repair="less")
    lost = clean.launches[-1].launch
    data = changed(
        clean,
        lambda one: one if one.launch.index != lost.index
        else dataclasses.replace(with_launch(status=LaunchStatus.FAILED, failure=failure)(one), requests=None),
    )  # fmt: skip
    (finding,) = found(data, "launches-missing")
    assert finding.arm == lost.arm
    assert "5 of 6" in finding.text and "gpu_memory" in finding.text
    assert summarise(data).comparisons[0].n["pairs"] == 5


def test_launch_during_which_the_host_slept_is_left_out(clean):
    one = clean.launches[-1].launch
    end = one.t0["end"]
    slept = Stamp(end.monotonic_ns, end.boottime_ns + 3_000_000_000, end.boot_id, end.utc)
    data = changed(clean, lambda x: x if x.launch.index != one.index else with_launch(t0={**one.t0, "end": slept})(x))
    (finding,) = found(data, "host-suspended")
    assert (finding.severity, finding.launch) == (Severity.VOID, one.index)
    assert summarise(data).comparisons[0].n["pairs"] == 5


def test_errors_in_the_window_are_told_with_their_kind():
    data = make_run({"a": A, "b": dataclasses.replace(B, error_share=0.05)})
    findings = found(data, "errors-in-window")
    assert {f.arm for f in findings} == {"b"}
    assert "http_5xx" in findings[0].text and findings[0].severity is Severity.WARN


def test_requests_cut_by_the_suite_are_told(clean):
    def cut(table):
        table.loc[table.index[table["phase"] == "window"][:2], "status"] = "incomplete"

    assert "requests-cut" in ids(changed(clean, with_rows(cut)))


def test_streams_that_were_never_all_in_flight_are_told(clean):
    (finding,) = found(changed(clean, with_windows(in_flight_reached=3), arm="b"), "in-flight-not-reached")
    assert (finding.arm, finding.at) == ("b", {"stage": "c4"})


def test_answers_not_as_long_as_asked_are_told_and_the_ratio_refused():
    data = make_run({"a": A, "b": dataclasses.replace(B, output_tokens=24)})
    names = ids(data)
    assert {"output-tokens-not-as-asked", "output-tokens-differ"} <= names
    verdicts = {c.metric: c.verdict.value for c in summarise(data).comparisons if c.at == {"stage": "c4"}}
    assert verdicts["output_tokens_per_s"] == verdicts["tpot_p50_s"] == "not_comparable"
    assert verdicts["ttft_p50_s"] != "not_comparable"
    assert summarise(data).decision.state == "unknown"


def test_other_prompt_length_makes_every_stage_metric_incomparable(clean):
    def longer(table):
        table["prompt_tokens"] += 20

    data = changed(clean, with_rows(longer), arm="b")
    assert found(data, "prompt-tokens-differ")[0].severity is Severity.VOID
    assert {c.verdict.value for c in summarise(data).comparisons if c.at} == {"not_comparable"}


def test_one_token_more_in_the_prompt_is_told_but_compared(clean):
    def longer(table):
        table["prompt_tokens"] += 1

    data = changed(clean, with_rows(longer), arm="b")
    assert found(data, "prompt-tokens-differ")[0].severity is Severity.WARN
    assert "not_comparable" not in {c.verdict.value for c in summarise(data).comparisons}


def test_busy_client_is_told(clean):
    busy = {"cpu_s": {"c1/0": 0.5, "c4/0": 7.6}}
    (finding,) = found(changed(clean, with_launch(client=busy), arm="a"), "client-busy")
    assert (finding.arm, finding.at) == ("a", {"stage": "c4"})
    assert "95 %" in finding.text


def test_instrument_error_near_the_measured_ttft_is_told(clean):
    rows = tuple({**row, "ttft_error_p99_s": 0.02} for row in clean.run.calibration)
    data = dataclasses.replace(clean, run=dataclasses.replace(clean.run, calibration=rows))
    assert {f.at["stage"] for f in found(data, "instrument-error")} == {"c1", "c4"}


def test_server_that_slows_down_within_the_window_is_told(clean):
    def slow(table):
        middle = table.groupby("stage")["start_s"].transform("median")
        late = table["start_s"] > middle
        table.loc[late, "last_token_s"] += 0.2

    assert "warm-up-not-over" in ids(changed(clean, with_rows(slow), arm="b"))


def test_throughput_that_contradicts_latency_is_told(clean):
    def fewer(table):
        table["window_tokens"] = (table["window_tokens"] * 0.8).astype(int)

    findings = found(changed(clean, with_rows(fewer), arm="b"), "little-law")
    assert {f.arm for f in findings} == {"b"}


def test_repeats_on_one_running_server_are_told(clean):
    (finding,) = found(changed(clean, with_launch(replication=Replication.SESSION), arm="a"), "not-relaunched")
    assert finding.arm == "a" and "6 of 6" in finding.text


def test_arm_that_changed_between_launches_is_told(clean):
    def newer(one):
        return with_launch(versions={"llama.cpp": "newer"})(one) if one.launch.block == 4 else one

    (finding,) = found(changed(clean, newer, arm="b"), "versions-changed")
    assert finding.arm == "b" and "newer" in finding.text


def test_unequal_age_is_told(clean):
    assert "server-age-unequal" in ids(changed(clean, with_windows(server_age_s=60.0), arm="b"))
    assert "server-age-unequal" not in ids(clean)


def test_disk_reads_of_the_server_are_told(clean):
    def paging(one):
        table = one.telemetry.copy()
        table.loc[table["metric"] == "page_faults_major_per_s", "value"] = 80.0
        return dataclasses.replace(one, telemetry=table)

    (finding,) = found(changed(clean, paging, arm="b"), "memory-pressure")
    assert finding.arm == "b" and "80" in finding.text


def test_arm_that_never_settles_is_told_when_others_do(clean):
    def settled(one):
        return with_launch(marks={**one.launch.marks, Mark.STEADY: 3.0})(one)

    (finding,) = found(changed(clean, settled, arm="a"), "steady-never-reached")
    assert finding.arm == "b"


def scaled_by_launch(data, factor):
    """Tokens of each launch times factor(launch)."""

    def change(one):
        table = one.requests.copy()
        table["window_tokens"] = (table["window_tokens"] * 1000 * factor(one.launch)).astype(int)
        return dataclasses.replace(one, requests=table)

    return changed(data, change)


def test_drift_over_the_blocks_is_told(clean):
    assert "drift" in ids(scaled_by_launch(clean, lambda launch: 1.04**launch.block))


def test_effect_of_the_order_is_told(clean):
    names = ids(scaled_by_launch(clean, lambda launch: 1.1 if launch.order_in_block else 1.0))
    assert "order-effect" in names


def test_order_that_chance_never_varied_is_told(clean):
    orders = {"a": 0, "b": 1}
    data = changed(clean, lambda one: with_launch(order_in_block=orders[one.launch.arm])(one))
    assert "order-never-varied" in ids(data)


def test_nothing_varying_is_told():
    data = make_run({"a": A, "b": B}, blocks=3)
    assert "zero-variance" not in ids(data)
    data = changed(data, with_launch(marks={Mark.CREATED: 0.0, Mark.READY: 1.0, Mark.FIRST_TOKEN: 2.0}))
    assert "zero-variance" in ids(data)


def test_t_interval_that_the_exact_test_contradicts_is_told(clean):
    data = make_run({"a": A, "b": B}, blocks=6, noise=0.0)
    odd = scaled_by_launch(data, lambda launch: {"a": 1.0, "b": 1.9 if launch.block == 6 else 1.03}[launch.arm])
    (finding,) = found(odd, "tests-disagree")
    assert "p = 0.031" in finding.text
    assert "tests-disagree" not in ids(clean)


def test_few_pairs_and_many_comparisons_are_told():
    names = ids(make_run({"a": A, "b": B}, blocks=3, ratio=1.1))
    assert {"few-pairs", "many-comparisons"} <= names


def test_open_loop_that_sends_late_is_told():
    data = make_run({"a": A, "b": B}, stages=(Stage(id="c4", concurrency=4, duration_s=8.0),))
    stage = Stage(id="c4", rate_per_s=20.0, duration_s=8.0)
    scenario = dataclasses.replace(data.run.scenario, load=dataclasses.replace(data.run.scenario.load, stages=(stage,)))
    data = dataclasses.replace(data, run=dataclasses.replace(data.run, scenario=scenario))

    def late(table):
        table["scheduled_s"] = table["start_s"] - 0.05

    assert "late-sends" in ids(changed(data, with_rows(late)))


def test_provisional_run_says_which_launches_are_not_there_yet():
    data = make_run({"a": A, "b": B}, blocks=6, status=RunStatus.STARTED)
    kept = tuple(one for one in data.launches if one.launch.block <= 3)
    finding = found(dataclasses.replace(data, launches=kept), "launches-missing")[0]
    assert finding.text == "3 of 6 planned launches count (the run is not finished)."
    assert "lost" not in finding.next


def test_every_check_is_in_a_table():
    from bench.analysis import conduct, doubts, instrument, traffic

    for module in (conduct, traffic, instrument, doubts):
        listed = {check.__name__ for check in module.CHECKS}
        defined = {
            name for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        }  # fmt: skip
        assert defined - listed <= {"tokens_per_s_by_little"}, Path(module.__file__).name


def test_digests_may_differ_only_where_each_launch_has_an_image_of_its_own(clean):
    launches = tuple(with_launch(digests={"image": f"sha256:{place}"})(one) for place, one in enumerate(clean.launches))
    others = dataclasses.replace(clean, launches=launches)
    assert {one.arm for one in found(others, "digests-changed")} == {"a", "b"}
    scenario = dataclasses.replace(others.run.scenario, coldstart=Coldstart(image_absent=ImageAbsent.EACH))
    run = dataclasses.replace(others.run, scenario=scenario)
    assert found(dataclasses.replace(others, run=run), "digests-changed") == []

"""A process of the server that fills a core: the limit, or a way to wait."""

import dataclasses

import pandas as pd
import pytest

from bench.analysis import summarise
from bench.analysis.numbers import Numbers
from bench.analysis.process_use import busiest, process_cores
from bench.record import IdleWindow
from bench.vocabulary import Severity
from tests.synthetic import Fake, make_run

ENGINE, FRONT = "VLLM::EngineCore_DP0", "vllm serve"
FILLS, WAITS, POLLS = "server-process-fills-a-core", "server-process-waits", "server-process-polls"
GPU = ("GPU-0",)


def frame(rows, entity, metric, value, source="host"):
    """Of every instant at which the server was sampled."""
    t = rows.loc[(rows["entity"] == "server") & (rows["metric"] == "cpu_cores"), "t_s"]
    return pd.DataFrame({"t_s": t, "source": source, "entity": entity, "metric": metric, "value": value})


def changed(data, change, **facts):
    """`change(launch's rows, its load's beginning)` gives frames to add."""
    launches = []
    for one in data.launches:
        begin_s = min(window.start_s for window in one.launch.stages)
        more = change(one.telemetry, begin_s)
        rows = pd.concat([one.telemetry, *more], ignore_index=True)
        idle = facts.get("idle", ())
        windows = tuple(IdleWindow(loaded=loaded, start_s=0.0, end_s=begin_s) for loaded in idle)
        launch = dataclasses.replace(one.launch, devices=facts.get("devices", GPU), idle=windows)
        launches.append(dataclasses.replace(one, launch=launch, telemetry=rows))
    return dataclasses.replace(data, launches=tuple(launches))


def served(data, cores, *, thread=None, idle=None, gpu=None, activity="gpm_graphics_ratio", name=ENGINE, on_gpu=(77,)):
    """Process 77 under load, `idle` cores of it before; `on_gpu`: processes of the server that hold GPU memory."""

    def change(rows, begin_s):
        mine = frame(rows, f"server/77 {name}", "cpu_cores", cores)
        if idle is None:
            mine = mine[mine["t_s"] >= begin_s]
        else:
            mine.loc[mine["t_s"] < begin_s, "value"] = idle
        yield mine
        if thread is not None:
            yield frame(rows, f"server/77 {name}", "busiest_thread_cores", thread)
        if gpu is not None:
            yield frame(rows, GPU[0], activity, gpu, "gpu")
        for pid in {77, *on_gpu}:
            yield frame(rows, "server", "pid", pid).iloc[:1]
        for pid in on_gpu:
            yield frame(rows, f"{GPU[0]}/{pid}", "process_memory_bytes", 1e9, "gpu")

    return changed(data, change, idle=() if idle is None else (False, True))


def found(data, *names):
    return [one for one in summarise(data).findings if one.id in names]


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.2)}, blocks=2, burn_in=0)


def test_a_full_core_beside_a_gpu_with_time_left_is_the_limit(run):
    told = found(served(run, 0.97, gpu=0.70), FILLS)
    assert [(one.arm, one.at["stage"]) for one in told] == [("a", "c1"), ("a", "c4"), ("b", "c1"), ("b", "c4")]
    assert {one.severity for one in told} == {Severity.WARN}
    for words in (ENGINE, "97 %", "70 %", "in 2 of 2 windows", "the ratio compares Python, not GPUs"):
        assert words in told[0].text
    assert "gpu_idle_s" in told[0].next


@pytest.mark.parametrize("activity", ["gpm_graphics_ratio", "utilisation_ratio"])
def test_a_full_core_beside_a_gpu_that_is_always_busy_waits_for_it(run, activity):
    data = served(run, 0.99, gpu=0.98, activity=activity)
    assert found(data, FILLS) == []
    told = found(data, WAITS)
    assert [(one.arm, one.severity) for one in told] == [("a", Severity.INFO), ("b", Severity.INFO)]
    assert "c1, c4" in told[0].text and "the process waits for it" in told[0].text


def test_a_full_core_without_a_word_of_the_gpu_cannot_be_told_from_waiting(run):
    told = found(served(run, 0.97), FILLS)
    assert {one.severity for one in told} == {Severity.INFO}
    assert "cannot be told from busy-waiting" in told[0].text


@pytest.mark.parametrize("gpu", [None, 0.6, 0.99])
def test_a_process_that_is_as_busy_with_nobody_asking_polls_by_design(run, gpu):
    data = served(run, 0.99, idle=0.97, gpu=gpu)
    assert found(data, FILLS, WAITS) == []
    told = found(data, POLLS)
    assert [(one.arm, one.severity) for one in told] == [("a", Severity.INFO), ("b", Severity.INFO)]
    assert ENGINE in told[0].text and "0.97" in told[0].text


def test_a_process_that_slept_with_nobody_asking_works_under_load(run):
    data = served(run, 0.99, idle=0.02, gpu=0.6)
    assert found(data, POLLS) == []
    told = found(data, FILLS)
    assert told and "gpu_idle_s" not in told[0].next


@pytest.mark.parametrize(
    ("name", "on_gpu", "severity"),
    [
        (FRONT, (78,), Severity.WARN),
        ("nginx: worker process", (78,), Severity.WARN),
        ("sglang::detokenizer", (), Severity.WARN),
        (FRONT, (77,), None),  # the engine runs inside it
        (FRONT, (), None),  # the driver does not list who holds memory
        (ENGINE, (78,), None),
    ],
)
def test_a_front_end_never_waits_for_a_gpu_so_its_full_core_is_the_limit(run, name, on_gpu, severity):
    told = found(served(run, 0.97, gpu=0.99, name=name, on_gpu=on_gpu), FILLS)
    assert {one.severity for one in told} == ({severity} if severity else set())


@pytest.mark.parametrize(("thread", "is_found"), [(0.49, False), (0.95, True), (None, True)])
def test_it_is_one_thread_that_fills_a_core_and_not_two_halves(run, thread, is_found):
    told = found(served(run, 0.98, thread=thread, gpu=0.5), FILLS)
    assert bool(told) is is_found
    assert all(("all threads together" in one.text) is (thread is None) for one in told)


@pytest.mark.parametrize(("cores", "devices"), [(0.6, GPU), (0.97, ())])
def test_cores_that_are_not_full_or_have_no_gpu_to_feed_are_no_finding(run, cores, devices):
    data = served(run, cores, gpu=0.5)
    launches = [
        dataclasses.replace(one, launch=dataclasses.replace(one.launch, devices=devices)) for one in data.launches
    ]
    assert found(dataclasses.replace(data, launches=tuple(launches)), FILLS, WAITS, POLLS) == []


def test_samples_in_which_a_process_slept_count_as_nothing(run):
    (one, *_) = served(run, 1.0, thread=1.0).launches
    (window, *_) = one.launch.stages
    span, rows = (window.window_start_s, window.window_end_s), one.telemetry
    mine = rows["entity"].str.startswith("server/")
    half = rows[~mine | (rows["t_s"] < sum(span) / 2)]
    (process,) = process_cores(half, *span)
    assert (process.pid, process.name) == (77, ENGINE)
    assert process.cores == process.thread_cores == pytest.approx(0.5, abs=0.15)
    assert process_cores(rows[~mine], *span) == ()


def test_processes_of_one_name_are_apart_and_the_table_counts_them(run):
    def change(rows, _):
        for pid, cores in ((71, 0.2), (72, 0.6)):
            yield frame(rows, f"server/{pid} nginx: worker process", "cpu_cores", cores)
            yield frame(rows, f"server/{pid} nginx: worker process", "busiest_thread_cores", cores)

    data = changed(run, change, idle=(True,))
    (one, *_) = data.launches
    window = one.launch.stages[0]
    found = process_cores(one.telemetry, window.window_start_s, window.window_end_s)
    assert [(process.pid, process.cores) for process in found] == [(72, pytest.approx(0.6)), (71, pytest.approx(0.2))]
    rows = list(busiest(Numbers(data), 5))
    assert [(row.stage, row.arm, row.count) for row in rows] == [(s, a, 2) for s in ("c1", "c4") for a in ("a", "b")]
    assert {(round(r.cores, 6), round(r.thread_cores, 6), round(r.idle_cores, 6)) for r in rows} == {(0.8, 0.6, 0.8)}


def test_runs_that_were_not_watched_idle_say_nothing_of_it(run):
    assert {row.idle_cores for row in busiest(Numbers(served(run, 0.4)), 5)} == {None}

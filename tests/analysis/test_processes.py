"""A process of the server that fills a core, on arms with a GPU and without one."""

import dataclasses

import pandas as pd
import pytest

from bench.analysis import summarise
from bench.analysis.processes import process_cores
from tests.synthetic import Fake, make_run


def with_process(data, cores, *, devices, name="VLLM::EngineCore"):
    launches = []
    for one in data.launches:
        server = one.telemetry[(one.telemetry["entity"] == "server") & (one.telemetry["metric"] == "cpu_cores")]
        mine = server.assign(entity=f"server/77 {name}", value=cores)
        launches.append(
            dataclasses.replace(
                one,
                launch=dataclasses.replace(one.launch, devices=devices),
                telemetry=pd.concat([one.telemetry, mine], ignore_index=True),
            )
        )
    return dataclasses.replace(data, launches=tuple(launches))


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.2)}, blocks=2, burn_in=0)


@pytest.mark.parametrize(
    ("cores", "devices", "is_found"), [(0.97, ("GPU-0",), True), (0.6, ("GPU-0",), False), (0.97, (), False)]
)
def test_a_full_core_is_found_where_a_gpu_should_be_the_limit(run, cores, devices, is_found):
    found = [
        one for one in summarise(with_process(run, cores, devices=devices)).findings
        if one.id == "server-process-fills-a-core"
    ]  # fmt: skip
    assert bool(found) is is_found
    assert all("VLLM::EngineCore" in one.text and "97 %" in one.text for one in found)


def test_samples_in_which_a_process_slept_count_as_nothing(run):
    (one, *_) = with_process(run, 1.0, devices=()).launches
    (window, *_) = one.launch.stages
    rows = one.telemetry
    mine = rows["entity"].str.startswith("server/")
    half = rows[~mine | (rows["t_s"] < (window.window_start_s + window.window_end_s) / 2)]
    assert process_cores(half, window)["VLLM::EngineCore"] == pytest.approx(0.5, abs=0.15)
    assert process_cores(rows[~mine], window) == {}


@pytest.mark.parametrize(("share", "is_found"), [(0.2, True), (0.001, False)])
def test_a_quota_that_held_the_container_back_is_found(run, share, is_found):
    launches = []
    for one in run.launches:
        t = one.telemetry["t_s"].drop_duplicates()
        frame = pd.DataFrame({"t_s": t, "source": "host", "entity": "container", "metric": "cpu_throttled_s"})
        rows = frame.assign(value=share * t)
        launches.append(dataclasses.replace(one, telemetry=pd.concat([one.telemetry, rows], ignore_index=True)))
    findings = summarise(dataclasses.replace(run, launches=tuple(launches))).findings
    assert bool([one for one in findings if one.id == "container-throttled"]) is is_found

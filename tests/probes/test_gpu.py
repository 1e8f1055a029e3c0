"""The GPU sampler as it runs, with NVIDIA's real bindings, against a library that plays traces."""

import os
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from bench.clock import now_ns
from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.probes.telemetry import Telemetry
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

pytestmark = [requires_gcc, pytest.mark.slow]  # seconds of traces in real time
RAMP = ("linear power_w 0:100 1:100 2:700 3:300", "energy 0.1")
IDLE = ("steps power_w 0:70", "energy 0.1")


@dataclass
class Played:
    """What came home."""

    rows: pd.DataFrame
    report: SamplerReport

    def of(self, metric, uuid=GPU):
        return self.rows[(self.rows["entity"] == uuid) & (self.rows["metric"] == metric)]

    def values(self, metric, uuid=GPU):
        return self.of(metric, uuid)["value"].tolist()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def played(tmp_path, monkeypatch, library):
    """`played(seconds, trace)` samples for so long from the trace's beginning on."""

    def run(seconds, trace, uuids=(GPU,)):
        (tmp_path / "trace").write_text(trace)
        t0_ns = now_ns() + 1_500_000_000  # the sampler's own start
        play(monkeypatch, library, tmp_path / "trace", t0_ns)
        spec = SamplerSpec(
            t0_ns=t0_ns, interval_s=0.5, server_pids=(os.getpid(),), client_pid=os.getpid(),
            out=str(tmp_path / "rows"),
        )  # fmt: skip
        telemetry = Telemetry(SamplerSpec(t0_ns=t0_ns, interval_s=0.05, out=f"{spec.out}.gpu", gpu_uuids=uuids))
        telemetry.also(spec)
        time.sleep(1.5 + seconds)
        table, report = telemetry.stop()
        return Played(table.to_pandas(), report)

    return run


def test_power_follows_the_trace_and_energy_is_its_integral_in_steps(played):
    found = played(3.2, trace_of(**{GPU: RAMP}))
    power = found.of("power_w")
    inside = power[power["t_s"] > 0]
    truth = np.interp(inside["t_s"], (0, 1, 2, 3), (100, 100, 700, 300))
    assert inside["value"].to_numpy() == pytest.approx(truth, abs=25)  # 600 W/s, and a busy host
    energy = found.of("energy_j")
    assert energy["value"].is_monotonic_increasing
    grown = energy["value"].iloc[-1] - energy[energy["t_s"] < 0]["value"].iloc[-1]
    assert grown == pytest.approx(100 + 400 + 500 + 300 * (energy["t_s"].iloc[-1] - 3), abs=35)  # a step is 30 J
    assert energy["value"].diff().dropna().eq(0).any(), "two reads within one step of the counter are equal"


def test_every_metric_of_a_healthy_card_has_its_unit(played):
    found = played(1.5, trace_of(**{GPU: (*IDLE, "steps sm_active_ratio 0:0.61", "steps dram_active_ratio 0:0.83")}))
    wanted = {
        "power_average_w": 300, "power_limit_w": 700, "sm_clock_hz": 1.98e9, "memory_clock_hz": 2.619e9,
        "temperature_c": 51, "utilisation_ratio": 0.97, "memory_total_bytes": 80 * 2**30, "memory_used_bytes": 70e9,
        "ecc_uncorrected": 0, "pcie_sent_bytes_per_s": 2e6, "pcie_received_bytes_per_s": 3e6, "processes": 0,
        "sm_active_ratio": 0.61, "dram_active_ratio": 0.83, "throttled_power_s": 0, "clocks_event_bits": 0,
    }  # fmt: skip
    for metric, value in wanted.items():
        assert found.values(metric), metric
        assert found.values(metric) == pytest.approx([value] * len(found.values(metric))), metric
    assert set(found.rows["source"]) == {"host", "gpu"}
    assert found.report.gpu_lost == {} and found.report.failed == {}
    assert found.report.gpu_cpu_s > 0 and found.report.largest_gap_s["gpu"] > 0


def test_what_a_card_does_not_have_is_named_once_and_costs_nothing_else(played):
    found = played(1.2, trace_of(**{GPU: (*IDLE, "unsupported temperature_c", "unsupported energy_j")}))
    absent = found.report.gpu_absent[GPU]
    assert {"temperature_c", "energy_j", "sm_active_ratio", "module_power_w"} <= set(absent)
    assert absent["temperature_c"] == "Not Supported"
    assert not found.values("temperature_c") and not found.values("energy_j")
    assert set(found.values("power_w")) == {70.0}
    assert found.report.failed == {}


def test_a_gpu_that_is_lost_in_the_middle_costs_no_row_of_another(played):
    found = played(2.0, trace_of(**{GPU: (*IDLE, "lost 0.8"), OTHER: IDLE}), uuids=(GPU, OTHER))
    assert found.report.gpu_lost == {GPU: "GPU is lost"}
    assert found.of("power_w")["t_s"].max() < 1.0
    assert found.of("power_w", OTHER)["t_s"].max() > 1.5
    assert found.report.samples["gpu"] > 20


def test_a_second_process_on_the_card_appears_with_its_memory(played):
    mine, theirs = "process 4242 60000000000 -9 1e9", "process 666 9000000000 1 1e9"
    found = played(2.6, trace_of(**{GPU: (*IDLE, mine, theirs)}))
    assert sorted(set(found.values("processes"))) == [1.0, 2.0]
    assert set(found.values("process_memory_bytes", f"{GPU}/666")) == {9e9}
    assert found.of("process_memory_bytes", f"{GPU}/666")["t_s"].min() >= 1


def test_throttling_shows_in_bits_and_in_time(played):
    hot = (*IDLE, "steps clocks_event_bits 0:0 0.6:72", "linear throttled_hw_thermal_s 0:0 0.6:0 9.6:9")
    found = played(1.4, trace_of(**{GPU: hot}))
    assert sorted(set(found.values("clocks_event_bits"))) == [0.0, 72.0]  # 0x8 and 0x40
    slowed = found.of("throttled_hw_thermal_s")
    assert slowed["value"].iloc[-1] == pytest.approx(slowed["t_s"].iloc[-1] - 0.6, abs=0.05)


def test_an_xid_is_a_row_of_its_own(played):
    found = played(1.2, trace_of(**{GPU: (*IDLE, "xid 0.5 79")}))
    assert found.values("xid") == [79.0]
    assert found.of("xid")["t_s"].iloc[0] >= 0.5


def test_reads_that_fail_for_a_while_are_counted_and_the_series_goes_on(played):
    found = played(1.6, trace_of(**{GPU: (*IDLE, "failing energy_j 0.4 0.8")}))
    assert found.report.gpu_failed[GPU]["energy_j"] >= 3
    times = found.of("energy_j")["t_s"]
    assert times.min() < 0.4 and times.max() > 0.8
    assert not times.between(0.42, 0.78).any()


def test_a_counter_that_stands_still_or_begins_again_is_passed_on_as_it_is(played):
    found = played(1.6, trace_of(**{GPU: ("steps power_w 0:200", "energy 0.05", "stall 0.3 0.8", "reset 1.2")}))
    energy = found.of("energy_j")
    assert energy[energy["t_s"].between(0.35, 0.75)]["value"].nunique() == 1
    assert (energy["value"].diff() < 0).sum() == 1


@pytest.mark.parametrize("uuid", ["GPU-not-there", GPU])
def test_without_a_driver_or_such_a_gpu_the_host_is_sampled_and_the_reason_told(played, uuid, monkeypatch, library):
    if uuid == GPU:
        monkeypatch.setattr("tests.probes.test_gpu.play", lambda *_: None)
    found = played(0.5, trace_of(**{OTHER: IDLE}), uuids=(uuid,))
    assert found.report.failed == {"gpu sampler": 1}
    assert "NVMLError" in found.report.last_error["gpu sampler"]
    assert found.report.samples["host"] >= 1

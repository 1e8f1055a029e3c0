"""How odd drivers and cards are read: NVIDIA's bindings against the library of the tests, a few samples at once."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from bench.clock import now_ns
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

pytestmark = [requires_gcc, pytest.mark.slow]  # some forty processes that load the bindings
SAMPLES = 3
ASK = """
import json, sys
import pynvml
{before}
from bench.probes.gpu import GpuSampler
sampler, rows = GpuSampler(json.loads(sys.argv[1])), []
for _ in range({samples}):
    sampler._slow_due_ns = 0
    rows += [*sampler.sample(), *sampler.sample_pcie()]
notes = sampler.notes
print(json.dumps([[row[2:] for row in rows], notes.absent, notes.failed, notes.lost]))
"""
CARD = ("steps power_w 0:300", "energy 0.1")
COUNTERS = {"throttled_sw_thermal_s": 1.5, "throttled_hw_thermal_s": 2.5, "throttled_hw_brake_s": 3.5}
HEATED = (*CARD, *(f"steps {metric} 0:{value}" for metric, value in COUNTERS.items()))


@dataclass
class Answered:
    """What came home."""

    rows: list
    absent: dict
    failed: dict
    lost: dict

    def values(self, metric, uuid=GPU):
        return [value for entity, found, value in self.rows if (entity, found) == (uuid, metric)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def answered(tmp_path, monkeypatch, library):
    """`answered(trace)`: three samples, slow metrics too, of a trace that began 100 s ago."""

    def ask(trace, uuids=(GPU,), before=""):
        (tmp_path / "trace").write_text(trace)
        play(monkeypatch, library, tmp_path / "trace", now_ns() - 100_000_000_000)
        command = [sys.executable, "-c", ASK.format(before=before, samples=SAMPLES), json.dumps(uuids)]
        return Answered(*json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))

    return ask


@pytest.mark.parametrize("driver", ["575.51.03", "580.65.06", "580.82.07", "580.126.09", "590.44", "615.71"])
def test_the_counters_of_clock_events_are_asked_by_the_numbers_of_the_running_driver(answered, driver):
    found = answered(trace_of(driver=driver, **{GPU: HEATED}))
    for metric, value in COUNTERS.items():
        assert found.values(metric) == [value] * SAMPLES


@pytest.mark.parametrize(("driver", "why"), [("570.133.20", "before 575"), ("none", "does not say its version")])
def test_counters_that_the_driver_has_not_or_may_number_otherwise_are_absent(answered, driver, why):
    found = answered(trace_of(driver=driver, **{GPU: HEATED}))
    for metric in COUNTERS:
        assert not found.values(metric)
        assert why in found.absent[GPU][metric]
    assert found.values("power_w") == [300] * SAMPLES


@pytest.mark.parametrize("driver", ["575.51.03", "580.65.06"])
def test_a_setting_of_power_smoothing_is_never_read_as_a_time(answered, driver):
    silent = (*CARD, "unsupported throttled_hw_thermal_s")  # no counter answers, 269 to 271 do
    found = answered(trace_of(driver=driver, **{GPU: silent}))
    assert not any(found.values(metric) for metric in COUNTERS)
    assert set(COUNTERS) <= set(found.absent[GPU])


@pytest.mark.parametrize("code", [22, 26])
def test_a_call_that_is_deprecated_or_has_no_ecc_is_absent_and_does_not_fail_for_ever(answered, code):
    found = answered(trace_of(**{GPU: (*CARD, f"refusing ecc_corrected {code}")}))
    assert found.absent[GPU]["ecc_corrected"] in {"vGPU ECC is not supported", "Deprecated"}
    assert found.failed == {}
    assert found.values("ecc_uncorrected") == [0] * SAMPLES


def test_a_field_that_spoils_the_call_for_all_is_the_only_one_that_is_absent(answered):
    found = answered(trace_of(**{GPU: (*HEATED, "whole throttled_hw_brake_s 2")}))
    assert found.absent[GPU]["throttled_hw_brake_s"] == "Invalid Argument"
    assert found.values("power_w") == [300] * SAMPLES
    assert found.values("throttled_sw_thermal_s") == [1.5] * SAMPLES
    assert found.failed == {}


def test_a_call_for_all_fields_that_fails_for_once_makes_none_absent(answered):
    found = answered(trace_of(**{GPU: (*HEATED, "whole throttled_hw_brake_s 999")}))
    assert found.failed[GPU]["power_w"] == SAMPLES
    assert "power_w" not in found.absent[GPU]


def test_a_wait_for_events_that_meets_a_lost_gpu_says_so_of_that_one(answered):
    found = answered(trace_of(**{GPU: (*CARD, "xid 0 79", "refusing xid_wait 15"), OTHER: CARD}), uuids=(GPU, OTHER))
    assert found.lost == {GPU: "GPU is lost"}
    assert found.values("xid") == [79.0], "and its last XID is not lost with it"
    assert found.values("energy_j", OTHER)[-1] and len(found.values("energy_j", OTHER)) == SAMPLES


def test_a_wait_for_events_that_fails_otherwise_is_counted_and_a_quiet_one_is_not(answered):
    found = answered(trace_of(**{GPU: (*CARD, "refusing xid_wait 999"), OTHER: CARD}), uuids=(GPU, OTHER))
    assert found.failed == {GPU: {"xid": SAMPLES}}


def test_an_unsigned_short_is_read_and_an_unknown_type_costs_its_own_field_only(answered):
    warm = (*CARD, "steps memory_temperature_c 0:63")
    found = answered(
        trace_of(**{GPU: (*warm, "typed memory_temperature_c 6"), OTHER: (*warm, "typed memory_temperature_c 9")}),
        uuids=(GPU, OTHER),
    )
    assert found.values("memory_temperature_c") == [63] * SAMPLES
    assert not found.values("memory_temperature_c", OTHER)
    assert "type 9" in found.absent[OTHER]["memory_temperature_c"]
    assert found.values("power_w", OTHER) == [300] * SAMPLES


@pytest.mark.parametrize("call", ["nvmlDeviceGetUtilizationRates", "nvmlDeviceGetFieldValues", "nvmlEventSetWait_v2"])
def test_whatever_the_bindings_raise_costs_no_joule(answered, call):
    found = answered(trace_of(**{GPU: CARD}), before=f"pynvml.{call} = lambda *words: {{}}['odd']")
    assert len(found.values("energy_j")) == SAMPLES
    assert len(found.values("sm_clock_hz")) == SAMPLES
    assert "KeyError: 'odd'" in found.absent[GPU].values()


ACTIVE = (*CARD, "steps sm_active_ratio 0:0.5", "steps dram_active_ratio 0:0.25", "steps gpm_graphics_ratio 0:0.75")
TRAFFIC = (
    "steps gpm_pcie_sent_bytes_per_s 0:1048576", "steps gpm_pcie_received_bytes_per_s 0:3145728",
    "steps nvlink_sent_bytes_per_s 0:5242880", "steps nvlink_received_bytes_per_s 0:7340032",
)  # fmt: skip


def test_traffic_comes_from_the_activity_counters_and_the_sensor_rests_where_they_have_it(answered):
    found = answered(trace_of(**{GPU: (*ACTIVE, *TRAFFIC)}))
    assert found.values("pcie_sent_bytes_per_s") == [2**20] * (SAMPLES - 1)  # the sensor would say 2e6
    assert found.values("pcie_received_bytes_per_s") == [3 * 2**20] * (SAMPLES - 1)
    assert found.values("nvlink_sent_bytes_per_s") == [5 * 2**20] * (SAMPLES - 1)
    assert found.values("nvlink_received_bytes_per_s") == [7 * 2**20] * (SAMPLES - 1)


def test_the_sensor_is_asked_where_the_activity_counters_have_no_pcie(answered):
    found = answered(trace_of(**{GPU: ACTIVE}))
    assert found.values("pcie_sent_bytes_per_s") == [2e6] * (SAMPLES - 1)
    assert found.values("pcie_received_bytes_per_s") == [3e6] * (SAMPLES - 1)
    assert "pcie_sent_bytes_per_s" not in found.absent[GPU]


def test_the_sensor_is_asked_where_the_activity_counters_may_not_be_read(answered):
    found = answered(trace_of(**{GPU: (*ACTIVE, *TRAFFIC, "refusing gpm 4")}))
    assert found.values("pcie_sent_bytes_per_s") == [2e6] * SAMPLES
    assert "sm_active_ratio" in found.absent[GPU]


def test_an_activity_that_the_card_has_not_is_named_and_one_without_a_number_counts_as_failed(answered):
    found = answered(trace_of(**{GPU: (*ACTIVE, *TRAFFIC[:3], "steps tensor_active_ratio 0:nan")}))
    assert found.absent[GPU]["nvlink_received_bytes_per_s"] == "Not Supported"
    assert found.failed == {GPU: {"tensor_active_ratio": SAMPLES - 1}}
    assert not found.values("tensor_active_ratio")
    assert found.values("sm_active_ratio") == [0.5] * (SAMPLES - 1)


MODULE = ("steps power_w 0:300", "steps module_power_w 0:500", "energy 0.1 module_power_w", "steps c2c 0:1")
JOULES = {300: pytest.approx(31_000, rel=0.03), 500: pytest.approx(51_000, rel=0.03)}  # watts -> after 100 s, and 1000


@pytest.mark.parametrize("statements", [MODULE, (*MODULE, "own module_power_w")])
def test_a_superchip_without_a_counter_of_the_gpus_own_has_only_its_modules_energy(answered, statements):
    found = answered(trace_of(**{GPU: statements}))
    assert found.absent[GPU]["energy_j"] == "the counter is the whole module's, its processor included"
    assert not found.values("energy_j")
    assert found.values("module_energy_j") == [JOULES[500]] * SAMPLES


def test_a_superchip_with_a_counter_of_the_gpus_own_has_both(answered):
    found = answered(trace_of(**{GPU: (*MODULE, "own power_w")}))
    assert found.values("energy_j") == [JOULES[300]] * SAMPLES
    assert found.values("module_energy_j") == [JOULES[500]] * SAMPLES


@pytest.mark.parametrize(
    "statements",
    [
        (*CARD, "steps c2c 0:1"),  # GB10: linked, and no power of a module
        (*CARD, "steps c2c 0:1", "steps module_power_w 0:0"),
        (*CARD, "steps module_power_w 0:310"),  # a board that tells its module's power and has no processor
        (*CARD, "steps module_power_w 0:310", "steps c2c 0:0", "own power_w"),
    ],
)
def test_any_other_card_has_the_energy_of_its_counter(answered, statements):
    found = answered(trace_of(**{GPU: statements}))
    assert found.values("energy_j") == [JOULES[300]] * SAMPLES
    assert not found.values("module_energy_j")


@pytest.mark.parametrize(("driver", "known"), [("535.43.02", False), ("535.86.10", False), ("535.98", True)])
def test_a_list_of_processes_that_the_driver_lays_out_otherwise_is_not_known(answered, driver, known):
    found = answered(trace_of(driver=driver, **{GPU: (*CARD, "process 42 1000 -9 1e9", "process 43 1000 -9 1e9")}))
    assert found.values("processes") == ([2] * SAMPLES if known else [])
    assert found.values("process_memory_bytes", f"{GPU}/43") == ([1000] * SAMPLES if known else [])
    assert known is ("535.43 to 535.86" not in found.absent[GPU].get("processes", ""))


@pytest.mark.parametrize(("architecture", "is_instant"), [(5, True), (6, True), (7, False), (9, False)])
def test_the_older_reading_is_the_power_where_it_is_instant_and_there_is_no_field(answered, architecture, is_instant):
    old = (*CARD, f"architecture {architecture}", "unsupported power_w_field", "steps power_average_w 0:250")
    found = answered(trace_of(**{GPU: old}))
    assert found.values("power_w") == ([250] * SAMPLES if is_instant else [])
    assert is_instant is ("power_w" not in found.absent[GPU])


def test_the_field_is_the_power_where_an_old_card_has_it(answered):
    found = answered(trace_of(**{GPU: (*CARD, "architecture 5", "steps power_average_w 0:250")}))
    assert found.values("power_w") == [300] * SAMPLES


@pytest.mark.parametrize("statement", ["refusing temperature_v 13", "refusing temperature_v 3", ""])
def test_the_temperature_is_read_by_whichever_call_the_driver_has(answered, statement):
    found = answered(trace_of(**{GPU: (*CARD, statement)}))
    assert found.values("temperature_c") == [51] * SAMPLES

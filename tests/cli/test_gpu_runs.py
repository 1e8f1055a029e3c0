"""Whole runs of arms with GPUs: real servers, real bindings, and a library that plays the cards."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from bench.store.reader import load_run
from tests.cli.test_run_verb import SCENARIO, free_port_pair
from tests.nvml import GPU, OTHER, build, play, requires_gcc, trace_of

pytestmark = [requires_gcc, pytest.mark.slow, pytest.mark.timeout(400)]
WATTS, FOUR = 400.0, tuple(f"GPU-{place}" for place in range(4))
NAME = "Stub GPU, not NVIDIA's"
STEADY = ("energy 0.1", "steps sm_active_ratio 0:0.5", "steps utilisation_ratio 0:0")


def run_of(place, trace, gpu=f'{{name: "{NAME}"}}', blocks=2, idle="1s"):
    """What `nimbench run` gave: the finished process, and the folder where there is one."""
    (place / "tiny").mkdir()
    text = SCENARIO.replace("baseline: one", f"gpu: {gpu}\nbaseline: one").replace("duration: 2s", "duration: 4s")
    launches = f"blocks: {blocks}, burn_in: 0, gpu_idle: {idle}, port_base: {free_port_pair()}}}"
    (place / "tiny" / "scenario.yaml").write_text(text.replace("blocks: 2, burn_in: 1}", launches))
    (place / "trace").write_text(trace)
    with pytest.MonkeyPatch.context() as patch:
        play(patch, build(place), place / "trace", time.monotonic_ns())
        words = [sys.executable, "-m", "bench", "run", str(place / "tiny"), "--results", str(place / "results")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done, next((place / "results").glob("*/*"), None)


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def values(folder, arm):
    return {one["metric"]: one["value"] for one in summary_of(folder)["arms"][arm]["values"]}


def findings(folder):
    return {one["id"]: one for one in summary_of(folder)["findings"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a run over two cards that take turns."""
    trace = trace_of(**dict.fromkeys((GPU, OTHER), (f"steps power_w 0:{WATTS}", *STEADY)))
    done, found = run_of(tmp_path_factory.mktemp("gpu"), trace, f'{{name: "{NAME}", rotate: true}}')
    assert done.returncode == 0, done.stderr[-3000:]
    return found


def test_every_launch_has_rows_of_its_gpu_from_a_process_of_its_own(folder):
    for one in load_run(folder).launches:
        (uuid,) = one.launch.devices
        rows = one.telemetry[one.telemetry["source"] == "gpu"]
        assert {"energy_j", "power_w", "sm_clock_hz", "sm_active_ratio"} <= set(rows["metric"])
        assert set(rows["entity"]) == {uuid}
        assert rows["t_s"].min() < one.launch.marks["created"], "from before the arm was there"
        sampler = one.launch.client["sampler"]
        assert sampler["gpu_cpu_s"] > 0 and sampler["cpu_s"] > 0 and sampler["gpu_lost"] == {}
        assert "nvlink_sent_bytes" in sampler["gpu_absent"][uuid]


def test_the_cards_take_turns_and_the_arms_of_a_block_share_theirs(folder):
    launches = [one.launch for one in load_run(folder).launches]
    assert {(one.block, one.devices) for one in launches} == {(0, (GPU,)), (1, (OTHER,))}
    assert "2 places of 1 GPU" in findings(folder)["gpus-took-turns"]["text"]
    for one in launches:
        assert f"CUDA_VISIBLE_DEVICES={one.block}" in "\n".join(one.command)


def test_joules_per_token_times_tokens_per_second_are_the_watts_of_the_card(folder):
    for arm in ("one", "two"):
        found = values(folder, arm)
        assert found["energy_per_output_token_j"] * found["output_tokens_per_s"] == pytest.approx(WATTS, rel=0.01)
        assert found["output_tokens_per_j"] == pytest.approx(1 / found["energy_per_output_token_j"], rel=0.02)


def test_every_launch_was_watched_idle_before_its_arm_and_with_it(folder):
    for one in load_run(folder).launches:
        empty, loaded = one.launch.idle
        assert (empty.loaded, loaded.loaded) == (False, True)
        assert empty.end_s < one.launch.marks["created"] < one.launch.marks["first_token"] < loaded.start_s
        assert loaded.end_s < one.launch.stages[0].window_start_s
    found = values(folder, "one")
    assert found["idle_power_w"] == pytest.approx(WATTS, rel=0.02)
    assert found["loaded_idle_power_w"] == pytest.approx(WATTS, rel=0.02)
    assert found.get("energy_net_per_output_token_j") is None, "under load it takes no more"
    assert findings(folder)["net-energy-not-positive"]["severity"] == "warn"


def test_the_page_shows_power_and_energy_and_whose_card_it_was(folder):
    page = (folder / "report.html").read_text()
    assert "GPU power (W)" in page and "Energy per output token" in page
    assert "Stub GPU, not NVIDIA" in page and "before it" in page


def test_an_arm_over_four_cards_has_the_joules_of_all(tmp_path):
    trace = trace_of(**dict.fromkeys(FOUR, ("steps power_w 0:100", *STEADY)))
    done, found = run_of(tmp_path, trace, f'{{name: "{NAME}", count: 4}}', blocks=1)
    assert done.returncode == 0, done.stderr[-3000:]
    for one in load_run(found).launches:
        assert one.launch.devices == FOUR
        rows = one.telemetry[one.telemetry["source"] == "gpu"]
        assert set(rows["entity"]) == set(FOUR)
    known = values(found, "one")
    assert known["energy_per_output_token_j"] * known["output_tokens_per_s"] == pytest.approx(400.0, rel=0.01)
    assert known["idle_power_w"] == pytest.approx(400.0, rel=0.02)


def test_a_card_cut_by_mig_is_refused_before_anything_starts(tmp_path):
    done, found = run_of(tmp_path, trace_of(**{GPU: ("steps power_w 0:100", *STEADY, "steps mig 0:1")}))
    assert done.returncode == 2
    assert "MIG on" in done.stderr and "-mig 0" in done.stderr and "Traceback" not in done.stderr
    assert found is None or not load_run(found).launches


def test_a_stage_under_a_thermal_brake_is_void_and_gives_no_number(tmp_path):
    braked = "linear throttled_hw_thermal_s 0:0 9999:999"
    trace = trace_of(**{GPU: ("steps power_w 0:300", *STEADY, braked)})
    done, found = run_of(tmp_path, trace, blocks=1)
    assert done.returncode == 0, done.stderr[-3000:]
    told = findings(found)["gpu-slowed-down"]
    assert told["severity"] == "void" and "heat (hardware)" in told["text"]
    known = values(found, "one")
    assert known["output_tokens_per_s"] is None and known["start_to_first_token_s"] > 0

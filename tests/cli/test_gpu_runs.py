"""A whole run of an arm with a GPU: real servers, real bindings, and a library that plays the card."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from bench.store.reader import load_run
from tests.cli.test_run_verb import SCENARIO, free_port_pair
from tests.nvml import GPU, build, play, requires_gcc, trace_of

pytestmark = [requires_gcc, pytest.mark.slow, pytest.mark.timeout(300)]
WATTS = 400.0
CARD = 'gpu: {name: "Stub GPU, not NVIDIA\'s"}\nbaseline: one'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a run of one block."""
    place = tmp_path_factory.mktemp("gpu")
    (place / "tiny").mkdir()
    text = SCENARIO.replace("baseline: one", CARD).replace("duration: 2s", "duration: 4s")
    text = text.replace("blocks: 2, burn_in: 1}", f"blocks: 2, burn_in: 0, port_base: {free_port_pair()}}}")
    (place / "tiny" / "scenario.yaml").write_text(text)
    (place / "trace").write_text(
        trace_of(
            **{
                GPU: (
                    f"steps power_w 0:{WATTS}",
                    "energy 0.1",
                    "steps sm_active_ratio 0:0.5",
                    "steps utilisation_ratio 0:0",
                )
            }
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        play(patch, build(place), place / "trace", time.monotonic_ns())
        words = [sys.executable, "-m", "bench", "run", str(place / "tiny"), "--results", str(place / "results")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = (place / "results").glob("*/*")
    return found


def test_every_launch_has_rows_of_its_gpu_from_a_process_of_its_own(folder):
    for one in load_run(folder).launches:
        assert one.launch.devices == (GPU,)
        rows = one.telemetry[one.telemetry["source"] == "gpu"]
        assert {"energy_j", "power_w", "sm_clock_hz", "sm_active_ratio"} <= set(rows["metric"])
        assert set(rows["entity"]) == {GPU}
        sampler = one.launch.client["sampler"]
        assert sampler["gpu_cpu_s"] > 0 and sampler["gpu_lost"] == {}
        assert "nvlink_sent_bytes" in sampler["gpu_absent"][GPU]


def test_joules_per_token_times_tokens_per_second_are_the_watts_of_the_card(folder):
    arms = json.loads((folder / "summary.json").read_text())["arms"]
    for arm in arms.values():
        values = {one["metric"]: one["value"] for one in arm["values"]}
        assert values["energy_per_output_token_j"] * values["output_tokens_per_s"] == pytest.approx(WATTS, rel=0.01)


def test_the_page_shows_power_and_energy_and_whose_card_it_was(folder):
    page = (folder / "report.html").read_text()
    assert "GPU power (W)" in page and "Energy per output token" in page
    assert "Stub GPU, not NVIDIA" in page

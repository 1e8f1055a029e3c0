"""From a card's bad behaviour to the finding: NVIDIA's bindings, the real sampler, the real analysis; one GPU each."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from bench.analysis import summarise
from bench.clock import now_ns
from bench.launching.sampling import _note
from bench.model import Stage
from bench.probes.sampler import SamplerSpec
from bench.probes.telemetry import Telemetry
from tests.nvml import build, play, requires_gcc, trace_of
from tests.synthetic import Fake, make_run

pytestmark = [requires_gcc, pytest.mark.slow]
START_S, LENGTH_S = 2.5, 2.0  # of the window, in the time of the trace
STAGES = (Stage(id="c1", concurrency=1, duration_s=LENGTH_S),)
GOOD = ("steps power_w 0:300", "energy 0.1")
OWN = "process 100 70000000000 0 99"
SCENARIOS = {  # what the card does -> statements, finding, severity, a word of its text; None = healthy
    "is healthy": ((*GOOD, OWN), None, None, None),
    "has a counter that stalls": ((*GOOD, "stall 2 99"), "energy-not-known", "warn", "stood still"),
    "has a counter that begins again": ((*GOOD, "reset 3.5"), "energy-not-known", "warn", "began again"),
    "has no counter": ((*GOOD, "unsupported energy_j"), "energy-not-known", "warn", "no energy counter"),
    "is slowed by heat": (
        (*GOOD, "steps clocks_event_bits 0:0 3:64 4:0"), "gpu-slowed-down", "void", "heat (hardware)",
    ),
    "is slowed between two samples": (
        (*GOOD, "linear throttled_hw_brake_s 0:0 3:0 3.02:0.02 99:0.02"), "gpu-slowed-down", "void", "power brake",
    ),
    "is at its power limit": ((*GOOD, "steps clocks_event_bits 0:4"), "gpu-at-power-limit", "info", "100 %"),
    "gets a second process": ((*GOOD, OWN, "process 666 9000000000 3 99"), "gpu-shared", "void", "Process 666"),
    "has an XID of its own": ((*GOOD, "xid 3 79"), "gpu-xid", "void", "79: fell off the bus"),
    "has an XID of a program's": ((*GOOD, "xid 3 13"), "gpu-xid", "warn", "XID 13"),
    "has memory errors": ((*GOOD, "steps ecc_uncorrected 0:1 3:2"), "gpu-memory-errors", "void", "1 errors"),
    "is cut by MIG": ((*GOOD, "steps mig 0:1"), "energy-refused", "warn", "MIG"),
    "is lost": ((*GOOD, "lost 3"), "gpu-lost", "void", "was lost"),
}  # fmt: skip
UUIDS = {name: f"GPU-{place}" for place, name in enumerate(SCENARIOS)}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """Every card at once, for as long as the window needs."""
    place = tmp_path_factory.mktemp("cards")
    (place / "trace").write_text(trace_of(**{UUIDS[name]: one[0] for name, one in SCENARIOS.items()}))
    with pytest.MonkeyPatch.context() as patch:
        t0_ns = now_ns() + 1_500_000_000
        play(patch, build(place), place / "trace", t0_ns)
        spec = SamplerSpec(t0_ns=t0_ns, interval_s=0.1, out=str(place / "rows"), gpu_uuids=tuple(UUIDS.values()))
        telemetry = Telemetry(spec)
        time.sleep(1.5 + START_S + LENGTH_S + 1.5)
        table, report = telemetry.stop()
    return table.to_pandas(), report


def findings_of(name, sampled):
    """Of a run whose launches all met this card."""
    rows, report = sampled
    uuid = UUIDS[name]
    mine = rows[rows["entity"].str.split("/").str[0] == uuid]
    data = make_run({"a": Fake(), "b": Fake()}, blocks=2, burn_in=0, stages=STAGES)
    launches = []
    for one in data.launches:
        (window,) = one.launch.stages
        moved = mine.assign(t_s=mine["t_s"] + window.window_start_s - START_S)
        launches.append(dataclasses.replace(one, telemetry=pd.concat([one.telemetry, moved], ignore_index=True)))
    host = {**data.run.host, "gpus": [{"uuid": uuid, "mig": "mig 0:1" in str(SCENARIOS[name][0])}]}
    run = dataclasses.replace(data.run, host=host)
    told = [
        (one.id, one.severity.value, one.text)
        for one in summarise(dataclasses.replace(data, launches=tuple(launches), run=run)).findings
        if ("gpu" in one.id or "energy" in one.id) and one.id != "energy-window-short"  # it is, for the sake of time
    ]
    lost = {found: why for found, why in report.gpu_lost.items() if found == uuid}
    attempt = SimpleNamespace(
        client={}, find=lambda found, text, *, severity, step: told.append((found, severity.value, text))
    )
    _note(attempt, dataclasses.replace(report, gpu_lost=lost, failed={}))
    return told


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_card_that(name, sampled):
    _, finding, severity, word = SCENARIOS[name]
    told = findings_of(name, sampled)
    if finding is None:
        assert not told
        return
    assert {(found, weight) for found, weight, text in told if found == finding and word in text} == {
        (finding, severity)
    }
    others = {found for found, _, _ in told} - {finding}
    assert others <= ({"energy-not-known"} if finding == "gpu-lost" else set()), "and nothing else is said of it"

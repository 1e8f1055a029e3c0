"""Arms whose share of the memory's bandwidth is known, because weights, card and time per token are computed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.analysis import summarise
from bench.analysis.arm_health import decodings, peak_bandwidth_bytes_per_s
from bench.analysis.numbers import Numbers
from bench.model import Stage
from bench.vocabulary import Severity
from tests.synthetic import Fake, make_run

GPU, OTHER = "GPU-a", "GPU-b"
H100 = {"uuid": GPU, "mig": False, "memory_bus_width_bits": 5120, "max_memory_clock_hz": 2.619e9}
LLAMA_8B_GIB = 14.9595  # as vLLM logs it of Llama 3 8B in 16 bits
FLOOR_S = LLAMA_8B_GIB * 2**30 / 3.35232e12
HEALTHY = {"weights_gib": LLAMA_8B_GIB, "engine_inside": "vllm"}
STAGES = (Stage(id="c1", concurrency=1, duration_s=8.0), Stage(id="c4", concurrency=4, duration_s=8.0))


def run_of(arms, *, gpus=(H100,), devices=(GPU,), stages=STAGES):
    """`arms`: name -> (share, config)."""
    fakes = {
        name: Fake(ttft_s=0.02, tpot_s=FLOOR_S / share, config=config, engine="vllm")
        for name, (share, config) in arms.items()
    }
    data = make_run(fakes, blocks=2, burn_in=0, stages=stages)
    launches = tuple(
        dataclasses.replace(one, launch=dataclasses.replace(one.launch, devices=devices)) for one in data.launches
    )
    host = {**data.run.host, "gpus": list(gpus)}
    return dataclasses.replace(data, launches=launches, run=dataclasses.replace(data.run, host=host))


def found(data):
    return [one for one in summarise(data).findings if one.id == "arm-decodes-far-below-the-card"]


@pytest.mark.parametrize(
    ("clock_hz", "width_bits", "published"),
    [  # of NVIDIA's data sheets
        (2.619e9, 5120, 3.35e12),  # H100 SXM
        (1.593e9, 5120, 2.039e12),  # A100 80 GB
        (1.215e9, 5120, 1.555e12),  # A100 40 GB
        (3.201e9, 6144, 4.8e12),  # H200: the formula gives 4.92
        (9.751e9, 384, 0.936e12),  # RTX 3090, GDDR6X
    ],
)
def test_clock_and_width_give_the_published_bandwidth(clock_hz, width_bits, published):
    gpu = {"max_memory_clock_hz": clock_hz, "memory_bus_width_bits": width_bits}
    assert peak_bandwidth_bytes_per_s(gpu) == pytest.approx(published, rel=0.025)


def test_a_card_that_does_not_say_its_memory_has_no_bandwidth():
    assert peak_bandwidth_bytes_per_s({"max_memory_clock_hz": 1e9, "memory_bus_width_bits": None}) is None
    assert peak_bandwidth_bytes_per_s({"uuid": GPU}) is None, "runs of earlier versions"


def test_the_share_is_what_the_time_per_token_says():
    rows = decodings(Numbers(run_of({"a": (0.8, HEALTHY), "b": (0.6, HEALTHY)})))
    assert [(one.arm, one.stage, one.launches, one.gpus) for one in rows] == [("a", "c1", 2, 1), ("b", "c1", 2, 1)]
    assert rows[0].share == pytest.approx(0.8, rel=0.03) and rows[1].share == pytest.approx(0.6, rel=0.03)
    assert rows[0].lost_s == pytest.approx(FLOOR_S / 4, rel=0.15)


def test_healthy_arms_give_no_finding():
    assert found(run_of({"a": (0.89, HEALTHY), "b": (0.57, HEALTHY)})) == []


def test_an_arm_far_below_the_card_is_found_even_where_the_other_is_as_sick():
    (a, b) = found(run_of({"a": (0.22, HEALTHY), "b": (0.23, HEALTHY)}))
    assert (a.arm, b.arm, a.severity, a.at) == ("a", "b", Severity.WARN, {"stage": "c1"})
    assert "22" in a.text and "3.35 TB/s" in a.text and "eager" in a.text and a.next


def test_an_arm_under_half_of_the_other_is_found_though_above_the_bound():
    (one,) = found(run_of({"a": (0.85, HEALTHY), "b": (0.38, HEALTHY)}))
    assert one.arm == "b" and "a uses 8" in one.text


def test_arms_of_different_precision_are_not_held_against_each_other():
    half = {"weights_gib": LLAMA_8B_GIB / 2}
    data = run_of({"a": (0.85, HEALTHY), "b": (0.76, half)})  # 0.38 of what its weights need
    assert decodings(Numbers(data))[1].share == pytest.approx(0.38, rel=0.03)
    assert found(data) == []


def test_a_small_model_has_a_low_share_and_is_not_sick():
    small = {"weights_gib": LLAMA_8B_GIB / 16}
    data = run_of({"a": (1.6, small), "b": (1.5, small)})  # 3 ms a token, of which 0.3 for the weights
    assert decodings(Numbers(data))[0].share == pytest.approx(0.1, rel=0.03)
    assert found(data) == []


def test_an_arm_that_guesses_tokens_proves_nothing_of_one_that_does_not():
    guessing = HEALTHY | {"speculative": "eagle"}
    assert found(run_of({"a": (1.8, guessing), "b": (0.7, HEALTHY)})) == []
    assert [one.arm for one in found(run_of({"a": (1.8, guessing), "b": (0.7, guessing)}))] == ["b"]


@pytest.mark.parametrize(
    ("config", "gpus", "devices"),
    [
        ({}, (H100,), (GPU,)),  # the engine says nothing of its weights
        (HEALTHY, (), (GPU,)),
        (HEALTHY, (H100,), ()),  # no GPU in use
        (HEALTHY, (H100,), (GPU, OTHER)),  # one of them is not described
        (HEALTHY, ({**H100, "mig": True},), (GPU,)),
        (HEALTHY, ({"uuid": GPU},), (GPU,)),
        (HEALTHY, (H100, {**H100, "uuid": OTHER}), (GPU, OTHER)),  # ranks in a row, or beside each other
        ({"weights_bytes": 16e9, "tensor_parallel_size": 2}, (H100, {**H100, "uuid": OTHER}), (GPU, OTHER)),
    ],
)
def test_what_is_not_known_is_not_judged(config, gpus, devices):
    data = run_of({"a": (0.1, config), "b": (0.1, config)}, gpus=gpus, devices=devices)
    assert decodings(Numbers(data)) == () and found(data) == []


def test_host_without_a_driver_is_not_judged():
    data = run_of({"a": (0.1, HEALTHY), "b": (0.1, HEALTHY)})
    host = {**data.run.host, "gpus": None}
    assert decodings(Numbers(dataclasses.replace(data, run=dataclasses.replace(data.run, host=host)))) == ()


def test_with_tensor_parallelism_each_card_reads_its_ranks_shard():
    shards = HEALTHY | {"tensor_parallel_size": 2}
    slower = {**H100, "uuid": OTHER, "max_memory_clock_hz": 1.593e9}
    data = run_of({"a": (0.6, shards)}, gpus=(H100, slower), devices=(GPU, OTHER))
    (one,) = decodings(Numbers(data))
    assert one.gpus == 2
    assert one.share == pytest.approx(0.6 * 2.619 / 1.593, rel=0.03), "the slower card sets the pace"


def test_the_whole_models_bytes_serve_where_one_card_holds_it():
    data = run_of({"a": (0.7, {"weights_bytes": int(LLAMA_8B_GIB * 2**30)})})
    assert decodings(Numbers(data))[0].share == pytest.approx(0.7, rel=0.03)


def test_only_stages_of_one_stream_are_judged():
    data = run_of({"a": (0.1, HEALTHY), "b": (0.1, HEALTHY)}, stages=STAGES[1:])
    assert decodings(Numbers(data)) == ()


def test_above_the_bandwidth_nothing_is_lost_for_not_all_weights_are_read():
    experts = HEALTHY | {"weights_gib": 4 * LLAMA_8B_GIB}
    data = run_of({"a": (0.6, experts), "b": (0.6, HEALTHY)})
    many, dense = decodings(Numbers(data))
    assert many.share == pytest.approx(2.4, rel=0.03) and many.lost_s is None
    assert dense.lost_s > 0 and found(data) == []


def test_passes_that_are_void_are_not_judged():
    data = run_of({"a": (0.8, HEALTHY), "b": (0.2, HEALTHY)})
    assert [one.arm for one in found(data)] == ["b"]
    hot = []
    for one in data.launches:
        t = np.arange(0.0, max(window.window_end_s for window in one.launch.stages), 0.1)
        bits = pd.DataFrame({"t_s": t, "source": "gpu", "entity": GPU, "metric": "clocks_event_bits", "value": 64.0})
        is_b = one.launch.arm == "b"
        hot.append(dataclasses.replace(one, telemetry=pd.concat([one.telemetry, bits])) if is_b else one)
    throttled = dataclasses.replace(data, launches=tuple(hot))
    assert found(throttled) == [] and [one.arm for one in decodings(Numbers(throttled))] == ["a"]

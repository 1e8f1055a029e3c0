"""Whether an arm decodes as fast as its card can read weights: one far below is sick, not slow.

At one stream every output token needs all weights once, so the least time for a token is their bytes over the memory's
bandwidth. Peak bandwidth is 2 x clock x width / 8, by NVIDIA's "How to Query Device Properties"; the clock of NVML fits
it for HBM and GDDR alike (NVIDIA's forum, topic 198730: 2 x 1215 MHz x 5120 bit / 8 = 1.555 TB/s of an A100 40 GB).
With experts or speculation a token needs less than all weights, which makes the share too high, never too low; the KV
cache is left out, which makes it too low where prompts are long.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.analysis.effective import number_of, text_of
from bench.analysis.energy import cut_gpus
from bench.analysis.numbers import Numbers
from bench.analysis.rows import percentile
from bench.analysis.words import percent
from bench.record import Finding, Launch
from bench.store.reader import LaunchData
from bench.vocabulary import Severity

# Served arms of publications reach 57 % (NIM 1.8.0, Llama 3.3 70B in FP8 on two H100) to 89 % (NIM 2.0.12, 8B in BF16
# on an RTX 5090); a 7B without CUDA graphs on an H100 reaches 27 % (arXiv 2605.30571). Sources: docs/decisions.md.
LEAST_SHARE = 0.30
# Those served arms lose 1 to 8 ms a token to anything but weights. Small models lose as much and need little else:
# their share is low without anything being wrong, so both must be passed.
MOST_LOST_S = 0.0085
OF_THE_OTHER = 0.5  # of another arm's share; the same weights on the same card
_SAME_SIZE = 1.25  # weights that differ by more are of another precision, whose kernels have a share of their own
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """One arm at one stage of one stream: medians over the launches that say all of it."""

    arm: str
    stage: str
    launches: int
    gpus: int  # of each launch
    tpot_s: float  # median over the launches of the median over requests
    weights_bytes: float  # on each GPU
    bandwidth_bytes_per_s: float  # of each GPU at its highest clock; of the slowest where they differ
    share: float  # of the bandwidth, as far as weights use it
    guesses: bool  # speculative decoding, as far as the engine says: several tokens for one reading of the weights

    @property
    def lost_s(self) -> float | None:
        """Of each token, beyond reading the weights at full bandwidth; None where not all of them were read for it."""
        lost = self.tpot_s - self.weights_bytes / self.bandwidth_bytes_per_s
        return lost if lost >= 0 else None


def decodings(numbers: Numbers) -> tuple[Decoding, ...]:
    """Every arm at every stage of one stream where GPUs, weights and time per token are known."""
    stages = [stage.id for stage in numbers.scenario.load.stages if stage.concurrency == 1]
    found = (_of(numbers, arm.name, stage) for stage in stages for arm in numbers.scenario.arms)
    return tuple(one for one in found if one is not None)


def peak_bandwidth_bytes_per_s(gpu: Mapping[str, Any]) -> float | None:
    """Of a GPU as run.json's host describes it; None where the card does not say its clock and width."""
    clock_hz, width_bits = gpu.get("max_memory_clock_hz"), gpu.get("memory_bus_width_bits")
    return 2 * clock_hz * width_bits / 8 if clock_hz and width_bits else None


def far_below(numbers: Numbers) -> Iterator[Finding]:
    """Arms that read their weights far slower than the card, or than another arm on it, does."""
    rows = decodings(numbers)
    for one in rows:
        other = _healthier(one, rows)
        if one.lost_s is None or not (other or (one.share < LEAST_SHARE and one.lost_s > MOST_LOST_S)):
            continue
        beside = f", {other.arm} uses {percent(other.share)}" if other else ""
        yield Finding(
            id="arm-decodes-far-below-the-card",
            severity=Severity.WARN,
            at={"stage": one.stage},
            arm=one.arm,
            text=f"At one stream {1 / one.tpot_s:.3g} tokens/s read {one.weights_bytes / _GIB:.3g} GiB of weights on "
            f"each GPU: {percent(one.share)} of the memory's {one.bandwidth_bytes_per_s / 1e12:.3g} TB/s{beside}. "
            f"{one.lost_s * 1e3:.3g} ms of each token go elsewhere: no CUDA graphs (eager mode), a front end that "
            "fills a core, clocks or power held down, or weights left in the host's memory.",
            next="Look in its log and command for eager mode, and on this page for full cores, clocks and reasons of "
            "slowing down; repair that and run again before believing a ratio.",
        )


def _healthier(one: Decoding, rows: tuple[Decoding, ...]) -> Decoding | None:
    """The arm beside which this one is sick. An arm that guesses tokens proves nothing of one that does not."""
    others = [
        other
        for other in rows
        if other.stage == one.stage
        and other.guesses <= one.guesses
        and max(other.weights_bytes, one.weights_bytes) <= _SAME_SIZE * min(other.weights_bytes, one.weights_bytes)
        and one.share < OF_THE_OTHER * other.share
    ]
    return max(others, key=lambda other: other.share, default=None)


def _of(numbers: Numbers, arm: str, stage: str) -> Decoding | None:
    known = [row for one in numbers.of_arm(arm) if (row := _launch(numbers, one, stage)) is not None]
    if not known:
        return None
    return Decoding(
        arm=arm,
        stage=stage,
        launches=len(known),
        gpus=known[0].gpus,
        tpot_s=statistics.median(row.tpot_s for row in known),
        weights_bytes=statistics.median(row.weights_bytes for row in known),
        bandwidth_bytes_per_s=min(row.bandwidth_bytes_per_s for row in known),
        share=statistics.median(row.share for row in known),
        guesses=any(row.guesses for row in known),
    )


def _launch(numbers: Numbers, one: LaunchData, stage: str) -> Decoding | None:
    launch = one.launch
    bandwidth = _bandwidth(numbers.data.run.host, launch)
    weights = _weights_on_each(launch)
    of_stage = [rows for rows in numbers.passes.get(launch.index, ()) if rows.window.stage == stage]
    passes = [rows for rows in of_stage if rows.void_reason is None]  # a card held back is slow, not the arm sick
    medians = [percentile(rows.latencies_s["tpot"], 50) for rows in passes]
    tpots = [value for value in medians if value]
    if bandwidth is None or not weights or not tpots or len(tpots) < len(medians):
        return None
    tpot_s = statistics.median(tpots)
    return Decoding(
        arm=launch.arm,
        stage=stage,
        launches=1,
        gpus=len(launch.devices),
        tpot_s=tpot_s,
        weights_bytes=weights,
        bandwidth_bytes_per_s=bandwidth,
        share=weights / tpot_s / bandwidth,
        guesses=text_of("speculative", none_is_known=True)(launch.effective_config) not in (None, "none"),
    )


def _bandwidth(host: Mapping[str, Any], launch: Launch) -> float | None:
    """Of the slowest of the launch's GPUs; None without one, and of cards that MIG has cut, where it is shared out."""
    described = {gpu.get("uuid"): gpu for gpu in host.get("gpus") or ()}
    if not launch.devices or cut_gpus(dict(host), set(launch.devices)):
        return None
    found = [peak_bandwidth_bytes_per_s(described.get(uuid, {})) for uuid in launch.devices]
    known = [value for value in found if value is not None]
    return min(known) if len(known) == len(found) else None


def _weights_on_each(launch: Launch) -> float | None:
    """Bytes of weights on each of the launch's GPUs, where all GPUs read theirs at once.

    `weights_gib` is what one rank took: with tensor parallelism its shard, which is what its card reads. Ranks in a row
    (pipeline) or beside each other (data parallel) read otherwise, and `weights_bytes` is the whole model: of several
    GPUs the one is known where their number is the tensor parallel size, the other not at all.
    """
    config, gpus = launch.effective_config, len(launch.devices)
    of_rank = number_of("weights_gib")(config)
    if of_rank is not None:
        return of_rank * _GIB if gpus == 1 or number_of("tensor_parallel_size")(config) == gpus else None
    return number_of("weights_bytes")(config) if gpus == 1 else None


CHECKS = (far_below,)

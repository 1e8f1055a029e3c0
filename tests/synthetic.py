"""Synthetic runs: a closed loop computed, not measured, so that every true ratio is known.

`make_run(arms={"a": Fake(), "b": Fake(speed=1.1)}, blocks=6, noise=0.03)` gives what `load_run` would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench import __version__
from bench.container import ImageRecord
from bench.model import Arm, Launches, Load, Model, Plan, PlannedLaunch, Primary, Scenario, Stage
from bench.record import Finding, Launch, Run, StageWindow, Stamp
from bench.store.reader import LaunchData, RunData
from bench.store.records import RUN_SCHEMA
from bench.store.tables import REQUESTS, TELEMETRY
from bench.store.writer import create_run
from bench.vocabulary import LaunchStatus, Mark, Question, RunStatus, RuntimeKind, Side

NS = 1_000_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fake:
    """An arm whose truth is known: everything scales with `speed`."""

    speed: float = 1.0
    ttft_s: float = 0.030
    tpot_s: float = 0.004
    start_s: float = 1.5
    memory_bytes: float = 400e6
    error_share: float = 0.0
    output_tokens: int | None = None  # None = as asked
    args: tuple[str, ...] = ()
    side: Side = Side.BUILD
    engine: str = "llamacpp"
    runtime: RuntimeKind = RuntimeKind.PROCESS
    notice: str | None = None
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # added to the effective config of each launch
    layer_bytes: int | None = None


def make_scenario(
    arms: Mapping[str, Fake], *, blocks: int, burn_in: int, stages: tuple[Stage, ...], rounds: int, **changes: object
) -> Scenario:
    """A scenario of llama.cpp arms that were never started."""
    scenario = Scenario(
        name="synthetic",
        folder="synthetic",
        summary="Two computed arms",
        question=Question.CONTAINER,
        baseline=next(iter(arms)),
        model=Model(id="tiny-llama", made="tiny-llama"),
        arms=tuple(
            Arm(name=name, engine=fake.engine, side=fake.side, runtime=fake.runtime, args=fake.args, notice=fake.notice)
            for name, fake in arms.items()
        ),
        load=Load(stages=stages, input_tokens=64, output_tokens=32, rounds=rounds),
        launches=Launches(mode="quick", blocks=blocks, burn_in=burn_in),
        primary=Primary(metric="output_tokens_per_s", stage=stages[-1].id),
    )
    return dataclasses.replace(scenario, **changes)  # type: ignore[arg-type]


def make_run(
    arms: Mapping[str, Fake] | None = None,
    *,
    blocks: int = 3,
    burn_in: int = 1,
    seed: int = 0,
    ratio: float | None = None,
    noise: float = 0.01,
    stages: tuple[Stage, ...] | None = None,
    rounds: int = 1,
    status: RunStatus = RunStatus.COMPLETE,
    findings: tuple[Finding, ...] = (),
    images: Mapping[str, ImageRecord] | None = None,
    prepared: Mapping[str, Any] | None = None,
    **changes: object,
) -> RunData:
    """A whole run in memory. `ratio`: speed of every arm but the first; `noise`: sd of ln(speed) between launches."""
    arms = dict(arms or {"a": Fake(), "b": Fake(args=("--parallel", "4"))})
    if ratio is not None:
        first = next(iter(arms))
        arms = {n: f if n == first else dataclasses.replace(f, speed=f.speed * ratio) for n, f in arms.items()}
    stages = stages or (Stage(id="c1", concurrency=1, duration_s=8.0), Stage(id="c4", concurrency=4, duration_s=8.0))
    scenario = make_scenario(arms, blocks=blocks, burn_in=burn_in, stages=stages, rounds=rounds, **changes)
    random = np.random.default_rng(seed)
    planned = _planned(list(arms), blocks + burn_in, burn_in, random)
    launches = tuple(_launch(scenario, one, arms[one.arm], random, noise) for one in planned)
    ports = {name: {"engine": 20000 + place} for place, name in enumerate(arms)}
    run = Run(
        run_schema=RUN_SCHEMA,
        nimbench_version=__version__,
        id="20260101T000000Z-abcdef",
        status=status,
        created_utc="2026-01-01T00:00:00.000000+00:00",
        ended_utc="2026-01-01T00:10:00.000000+00:00",
        scenario=scenario,
        plan=Plan(launches=planned, ports=ports, seed=seed, expected_s=600.0),
        host={"cpu_model": "computed", "cpu_cores": 2},
        versions={"nimbench": __version__},
        origin={"tool": "nimbench"},
        calibration=tuple(
            {
                "stage": stage.id,
                "concurrency": stage.concurrency,
                "output_tokens": 32,
                "ttft_error_p50_s": 1e-4,
                "ttft_error_p99_s": 5e-4,
                "itl_error_p50_s": 5e-5,
                "itl_error_p99_s": 3e-4,
                "client_cpu_s": 0.4,
                "requests": 200,
                "chunks": 6400,
            }
            for stage in stages
        ),
        images=images or {},
        prepared=prepared or {},
        findings=findings,
    )
    return RunData(run=run, launches=launches, folder=Path("synthetic"), missing=())


def write_run(data: RunData, results: Path) -> Path:
    """The same run as a folder on disk, by the store's own writer."""
    run = data.run
    writer = create_run(results, run.scenario, run.plan, host=run.host, versions=run.versions, origin=run.origin)
    writer.update(calibration=run.calibration, findings=run.findings, images=run.images, prepared=run.prepared)
    plans = {one.index: one for one in run.plan.launches}
    for one in data.launches:
        place = writer.begin_launch(plans[one.launch.index], one.launch.attempt)
        place.log_path.write_text("0.000100 engine computed, not measured\n")
        writer.finish_launch(
            place,
            one.launch,
            requests=None
            if one.requests is None
            else pa.Table.from_pandas(one.requests, REQUESTS, preserve_index=False),
            telemetry=None
            if one.telemetry is None
            else pa.Table.from_pandas(one.telemetry, TELEMETRY, preserve_index=False),
        )
    if run.status is not RunStatus.STARTED:
        writer.close(run.status)
    return writer.folder


def _planned(arms: list[str], blocks: int, burn_in: int, random: np.random.Generator) -> tuple[PlannedLaunch, ...]:
    rows: list[PlannedLaunch] = []
    for block in range(blocks):
        for order, place in enumerate(random.permutation(len(arms))):
            rows.append(
                PlannedLaunch(
                    index=len(rows) + 1,
                    arm=arms[place],
                    block=block,
                    order_in_block=order,
                    burn_in=block < burn_in,
                    seed=1000 + block,
                )
            )
    return tuple(rows)


def _launch(
    scenario: Scenario, planned: PlannedLaunch, fake: Fake, random: np.random.Generator, noise: float
) -> LaunchData:
    speed = fake.speed * float(np.exp(random.normal(0, noise)))
    ready_s = fake.start_s / speed
    tables, windows, start_s = [], [], ready_s + 0.2
    for round_ in range(scenario.load.rounds):
        for stage in scenario.load.stages:
            window, rows = _stage(scenario, stage, round_, start_s, fake, speed, random)
            tables.append(rows)
            windows.append(window)
            start_s = window.drain_end_s + 0.1
    usual = {"worker": 0, "turn": 0, "prompt_id": "computed", "cached_tokens": 0, "finish_reason": "length"}
    requests = pd.DataFrame(
        {
            **{name: np.concatenate([table[name] for table in tables]) for name in tables[0]},
            **usual,
            "prompt_tokens": scenario.load.input_tokens,
            "scheduled_s": np.nan,
            "session": None,
            "error": None,
        }
    )
    requests["seq"] = range(len(requests))
    requests = requests[[field.name for field in REQUESTS]]
    launch = Launch(
        index=planned.index,
        arm=planned.arm,
        block=planned.block,
        order_in_block=planned.order_in_block,
        attempt=1,
        burn_in=planned.burn_in,
        status=LaunchStatus.DONE,
        t0={"start": _stamp(planned.index * 100), "end": _stamp(planned.index * 100 + start_s)},
        command=(f"python -m server --port 20000 {' '.join(fake.args)}".strip(),),
        marks={
            Mark.CREATED: 0.001,
            Mark.PROCESS_STARTED: 0.002,
            Mark.FIRST_LOG: ready_s * 0.3,
            Mark.WEIGHTS_LOADED: ready_s * 0.7,
            Mark.PORT_OPEN: ready_s * 0.9,
            Mark.READY: ready_s,
            Mark.FIRST_TOKEN: ready_s + 0.1,
        },
        effective_config={"n_parallel": 4 if fake.args else 1} | dict(fake.config),
        container_layer_bytes=fake.layer_bytes,
        versions={"llama.cpp": "computed"},
        stages=tuple(windows),
        client={"cpu_s": {f"{w.stage}/{w.round}": 0.1 * (w.window_end_s - w.window_start_s) for w in windows}},
    )
    return LaunchData(launch, requests, _telemetry(start_s, fake, random), Path(f"launches/{planned.index}"))


def _stamp(at_s: float) -> Stamp:
    at_ns = int((1000 + at_s) * NS)
    return Stamp(at_ns, at_ns, "boot", "2026-01-01T00:00:00.000000+00:00")


def _stage(
    scenario: Scenario,
    stage: Stage,
    round_: int,
    start_s: float,
    fake: Fake,
    speed: float,
    random: np.random.Generator,
) -> tuple[StageWindow, dict[str, np.ndarray]]:
    """Streams that each send the next request when the last one ended."""
    streams, asked = stage.concurrency or 1, scenario.load.output_tokens
    output = fake.output_tokens or asked
    slow = streams**0.7 / speed  # more streams: slower each, faster together
    warm_end_s = start_s + 1.0
    window_end_s = warm_end_s + (stage.duration_s or 8.0)
    mean_s = (fake.ttft_s + fake.tpot_s * (output - 1)) * slow
    count = int((window_end_s - start_s) / mean_s * 1.5) + 4
    parts = []
    for stream in range(streams):
        ttft = fake.ttft_s * slow * np.exp(random.normal(0, 0.10, count))
        tpot = fake.tpot_s * slow * np.exp(random.normal(0, 0.03, count))
        e2e = ttft + tpot * (output - 1)
        sent = start_s + stream * 0.01 + np.concatenate([[0.0], np.cumsum(e2e)[:-1]])
        failed = random.random(count) < fake.error_share
        last_start = int(np.searchsorted(sent, window_end_s)) + 1  # one more starts in the drain
        parts.append(np.array([sent, ttft, tpot, failed])[:, :last_start])
    sent, ttft, tpot, failed = np.concatenate(parts, axis=1)[:, np.argsort(np.concatenate([p[0] for p in parts]))]
    failed = failed.astype(bool)
    last = sent + ttft + tpot * (output - 1)
    before, inside = (np.clip((edge - sent - ttft) / tpot, -1, output - 1) for edge in (warm_end_s, window_end_s))
    columns = {
        "stage": stage.id,
        "round": round_,
        "phase": np.where(sent < warm_end_s, "warmup", np.where(sent < window_end_s, "window", "drain")),
        "start_s": sent,
        "headers_s": sent + ttft * 0.5,
        "first_token_s": np.where(failed, np.nan, sent + ttft),
        "first_answer_s": np.where(failed, np.nan, sent + ttft),
        "last_token_s": np.where(failed, np.nan, last),
        "end_s": last + 1e-4,
        "itl_mean_s": tpot,
        "itl_max_s": tpot * 1.5,
        "chunks": np.where(failed, 0, output),
        "output_tokens": np.where(failed, 0, output),
        "window_tokens": np.where(failed, 0, np.floor(inside) - np.floor(before)).astype(int),
        "output_tokens_asked": asked,
        "status": np.where(failed, "error", "ok"),
        "error_kind": np.where(failed, "http_5xx", None),
        "http_status": np.where(failed, 500, 200),
    }
    window = StageWindow(
        stage=stage.id,
        round=round_,
        start_s=start_s,
        in_flight_reached_s=start_s + streams * 0.01,
        warm_end_s=warm_end_s,
        window_start_s=warm_end_s,
        window_end_s=window_end_s,
        drain_end_s=float(last.max()) + 1e-4,
        in_flight_reached=streams,
        server_age_s=warm_end_s,
    )
    return window, {name: np.broadcast_to(values, len(sent)) for name, values in columns.items()}


def _telemetry(end_s: float, fake: Fake, random: np.random.Generator) -> pd.DataFrame:
    times = np.arange(0.0, end_s, 0.5)
    levels = {
        ("host", "server", "rss_bytes"): fake.memory_bytes * random.normal(1, 0.004) * (1 - np.exp(-2 * times - 0.1)),
        ("host", "server", "cpu_cores"): random.normal(1.6, 0.05, len(times)),
        ("host", "client", "cpu_cores"): random.normal(0.1, 0.01, len(times)),
        ("host", "host", "cpu_ratio"): random.normal(0.85, 0.02, len(times)),
        ("host", "host", "memory_available_bytes"): np.full(len(times), 4e9),
        ("host", "server", "page_faults_major_per_s"): np.zeros(len(times)),
        ("engine", "engine", "requests_running"): np.full(len(times), 1.0),
    }
    names = np.repeat(np.array(list(levels), dtype=object), len(times), axis=0)
    return pd.DataFrame(
        {
            "t_s": np.tile(times, len(levels)),
            "source": names[:, 0],
            "entity": names[:, 1],
            "metric": names[:, 2],
            "value": np.concatenate(list(levels.values())),
        }
    )

"""Small real records that the tests of the run folder and its readers start from."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from bench.clock import stamp
from bench.model import Arm, Launches, Load, Model, Plan, PlannedLaunch, Primary, Scenario, Stage
from bench.record import Launch, StageWindow
from bench.store.tables import CHUNKS, REQUESTS, TELEMETRY
from bench.vocabulary import LaunchStatus, Mark, Question, RuntimeKind, Side


def scenario(**changes: Any) -> Scenario:
    arms = tuple(
        Arm(name=name, engine="llamacpp", side=side, runtime=RuntimeKind.PROCESS)
        for name, side in (("a", Side.BUY), ("b", Side.BUILD))
    )
    values: dict[str, Any] = {
        "name": "tiny",
        "folder": "/somewhere/scenarios/tiny",
        "summary": "two arms",
        "question": Question.SHIPPED,
        "baseline": "a",
        "model": Model(id="m"),
        "arms": arms,
        "load": Load(stages=(Stage(id="c1", concurrency=1, duration_s=1.0),), input_tokens=8, output_tokens=4),
        "launches": Launches(mode="smoke", blocks=1, burn_in=0),
        "primary": Primary(metric="output_tokens_per_s", stage="c1"),
    }
    return Scenario(**{**values, **changes})


def plan() -> Plan:
    launches = tuple(
        PlannedLaunch(index=index, arm=arm, block=0, order_in_block=index, burn_in=False, seed=7)
        for index, arm in ((1, "a"), (2, "b"))
    )
    return Plan(launches=launches, ports={"a": {"engine": 1}, "b": {"engine": 2}}, seed=7, expected_s=10.0)


def launch(planned: PlannedLaunch, status: LaunchStatus = LaunchStatus.DONE, **changes: Any) -> Launch:
    window = StageWindow(
        stage="c1",
        round=0,
        start_s=1.0,
        in_flight_reached_s=1.1,
        warm_end_s=2.0,
        window_start_s=2.0,
        window_end_s=3.0,
        drain_end_s=3.5,
        in_flight_reached=1,
        server_age_s=1.9,
    )
    values: dict[str, Any] = {
        "index": planned.index,
        "arm": planned.arm,
        "block": planned.block,
        "order_in_block": planned.order_in_block,
        "attempt": 1,
        "burn_in": planned.burn_in,
        "status": status,
        "t0": {"start": stamp(), "end": stamp()},
        "command": ("python -m server",),
        "marks": {Mark.READY: 0.5},
        "stages": (window,),
    }
    return Launch(**{**values, **changes})


def requests(error: str | None = None) -> pa.Table:
    row = {field.name: None for field in REQUESTS} | {
        "stage": "c1",
        "round": 0,
        "phase": "window",
        "seq": 0,
        "start_s": 2.1,
        "status": "error" if error else "ok",
        "error": error,
    }
    return pa.Table.from_pylist([row], schema=REQUESTS)


def chunks() -> pa.Table:
    return pa.Table.from_pylist([{"seq": 0, "offsets_us": [20_000, 30_000], "tokens": None}], schema=CHUNKS)


def telemetry() -> pa.Table:
    row = {"t_s": 0.5, "source": "host", "entity": "host", "metric": "cpu_ratio", "value": 0.25}
    return pa.Table.from_pylist([row], schema=TELEMETRY)

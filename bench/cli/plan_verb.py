"""`nimbench plan`: everything that `run` would do, and starts nothing."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

import click

from bench.cli.choices import scenario_choices
from bench.cli.tables import show_table
from bench.dockerhost.line import docker_run_line
from bench.engines.base import Command
from bench.model import Arm, Plan, PlannedLaunch, Scenario
from bench.plan import launch_spec, make_plan
from bench.scenario import load_scenario
from bench.secrets import Redactor
from bench.vocabulary import RuntimeKind

NOT_STARTED = {
    RuntimeKind.ENDPOINT: "already runs: nothing is started",
}


@click.command("plan")
@scenario_choices()
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(scenario: str, mode: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Show each launch of SCENARIO, its command, ports, time and disk, and start nothing."""
    question = load_scenario(scenario, mode=mode, sets=sets)
    plan = make_plan(question)
    arms = {arm.name: _arm(question, plan, arm) for arm in question.arms}
    if as_json:
        click.echo(json.dumps(_document(question, plan, arms), indent=1, ensure_ascii=False))
    else:
        _print(question, plan, arms)


def _arm(scenario: Scenario, plan: Plan, arm: Arm) -> dict[str, Any]:
    """One arm's commands as a user could paste them, secrets taken out."""
    facts: dict[str, Any] = {"engine": arm.engine, "side": arm.side, "runtime": arm.runtime, "notice": arm.notice}
    facts |= {"ports": dict(plan.ports[arm.name]), "url": arm.url}
    # The run uses a folder inside of its own; this one is a place where a user may try the commands by hand.
    scratch = str(Path(tempfile.gettempdir(), f"nimbench-{scenario.name}-{arm.name}"))
    spec = launch_spec(scenario, arm.name, plan, scratch=scratch)
    if spec.container is not None:
        line = docker_run_line(spec.container, Redactor.knowing(spec.container.env))
        commands: list[dict[str, Any]] = [{"name": "engine", "line": line, "files": {}}]
        return facts | {"url": spec.url, "ready": f"{spec.url}{spec.ready_path}", "commands": commands}
    commands = [
        {"name": part.name, "line": _line(part), "files": {f"{scratch}/{n}": t for n, t in part.files.items()}}
        for part in spec.commands
    ]
    return facts | {"url": spec.url, "ready": f"{spec.url}{spec.ready_path}", "commands": commands}


def _line(part: Command) -> str:
    clean = Redactor({**os.environ, **part.env})  # a secret written into the scenario is one as well
    words = [f"{name}={value}" for name, value in sorted(clean.env(part.env).items())]
    return clean.text(shlex.join([*(["env", *words] if words else []), *part.argv]))


def _document(scenario: Scenario, plan: Plan, arms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    launches = [
        {
            "index": launch.index,
            "arm": launch.arm,
            "block": launch.block,
            "order_in_block": launch.order_in_block,
            "burn_in": launch.burn_in,
            "seed": launch.seed,
        }
        for launch in plan.launches
    ]
    return {
        "scenario": scenario.name,
        "mode": scenario.launches.mode,
        "seed": plan.seed,
        "expected_s": plan.expected_s,
        "disk_bytes": plan.disk_bytes,
        "primary": {"metric": scenario.primary.metric, "stage": scenario.primary.stage},
        "stages": [
            {"id": stage.id, "concurrency": stage.concurrency, "duration_s": stage.duration_s}
            for stage in scenario.load.stages
        ],
        "arms": arms,
        "launches": launches,
    }


def _print(scenario: Scenario, plan: Plan, arms: dict[str, dict[str, Any]]) -> None:
    from bench.report.format import quantity  # the report's libraries take a second: errors and --json go without

    click.echo(f"{scenario.name}: {scenario.summary}")
    at = f" at {scenario.primary.stage}" if scenario.primary.stage else ""
    click.echo(f"question: {scenario.question}, primary metric: {scenario.primary.metric}{at}")
    stages = ", ".join(f"{stage.id} for {quantity(stage.duration_s, 's')}" for stage in scenario.load.stages)
    click.echo(
        f"each launch: {scenario.load.rounds} × ({stages}), after {scenario.load.warmup_s:g} s of warm-up each\n"
    )
    for name, arm in arms.items():
        _print_arm(name, arm, is_baseline=name == scenario.baseline)
    show_table(("launch", "block", "arm", "ports"), [_row(launch, arms[launch.arm]) for launch in plan.launches])
    blocks = f"({scenario.launches.blocks} kept + {scenario.launches.burn_in} burn-in) blocks × {len(arms)} arms"
    click.echo(
        f"\nmode {scenario.launches.mode}: {blocks} = {len(plan.launches)} launches, "
        f"about {minutes(plan.expected_s)} and {quantity(plan.disk_bytes, 'bytes')} of disk (estimates). "
        "Nothing was started."
    )


def minutes(duration_s: float) -> str:
    """A long duration for a person."""
    if duration_s < 90:
        return f"{duration_s:.0f} s"
    whole = round(duration_s / 60)
    return f"{whole} min" if whole < 120 else f"{whole // 60} h {whole % 60} min"


def _print_arm(name: str, arm: dict[str, Any], *, is_baseline: bool) -> None:
    notice = f" — {arm['notice']}" if arm["notice"] else ""
    click.echo(f"arm {name} ({arm['side']}, {arm['engine']}{', baseline' if is_baseline else ''}){notice}")
    for part in arm["commands"]:
        click.echo(f"  {part['name']}, port {arm['ports'][part['name']]}:\n    {part['line']}")
        for path in part["files"]:
            click.echo(f"    (writes {path} first)")
    if not arm["commands"]:
        click.echo(f"  {arm['url'] or ''} {NOT_STARTED[arm['runtime']]}".rstrip())
    click.echo("")


def _row(launch: PlannedLaunch, arm: dict[str, Any]) -> tuple[str, str, str, str]:
    block = f"{launch.block}{' (burn-in)' if launch.burn_in else ''}"
    return str(launch.index), block, launch.arm, ", ".join(map(str, arm["ports"].values())) or "-"

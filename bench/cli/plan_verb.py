"""`nimbench plan`: everything that `run` would do, and starts nothing."""

from __future__ import annotations

import json
from typing import Any

import click

from bench.cli.choices import scenario_choices
from bench.cli.planned import arm_facts, mode_facts, open_points, placed_here
from bench.cli.tables import show_table
from bench.model import Plan, PlannedLaunch, Scenario
from bench.plan import make_plan
from bench.scenario import load_scenario
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
    prepared = placed_here(question)
    arms = {arm.name: arm_facts(question, plan, arm, prepared) for arm in question.arms}
    document = _document(question, plan, arms) | {"modes": mode_facts(scenario, sets)}
    if as_json:
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        _print(question, plan, document)


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
        "open": open_points(scenario, arms),
        "launches": launches,
    }


def _print(scenario: Scenario, plan: Plan, document: dict[str, Any]) -> None:
    from bench.report.format import quantity  # the report's libraries take a second: errors and --json go without

    arms: dict[str, dict[str, Any]] = document["arms"]
    click.echo(f"{scenario.name}: {scenario.summary}")
    at = f" at {scenario.primary.stage}" if scenario.primary.stage else ""
    click.echo(f"question: {scenario.question}, primary metric: {scenario.primary.metric}{at}")
    stages = ", ".join(f"{stage.id} for {quantity(stage.duration_s, 's')}" for stage in scenario.load.stages)
    click.echo(
        f"each launch: {scenario.load.rounds} × ({stages}), after {scenario.load.warmup_s:g} s of warm-up each\n"
    )
    for name, arm in arms.items():
        _print_arm(name, arm, is_baseline=name == scenario.baseline)
    for point in document["open"]:
        click.echo(f"note: {point}")
    if document["open"]:
        click.echo("")
    show_table(("launch", "block", "arm", "ports"), [_row(launch, arms[launch.arm]) for launch in plan.launches])
    click.echo("")
    show_table(
        ("with", "kept blocks", "launches", "time", "disk"),
        [_mode_row(name, mode) for name, mode in document["modes"].items()],
    )
    blocks = f"({scenario.launches.blocks} kept + {scenario.launches.burn_in} burn-in) blocks × {len(arms)} arms"
    click.echo(
        f"\nmode {scenario.launches.mode}: {blocks} = {len(plan.launches)} launches, "
        f"about {minutes(plan.expected_s)} and {quantity(plan.disk_bytes, 'bytes')} of disk for the run folder "
        "(estimates). "
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
    for step in arm["before"]:
        click.echo(f"  {step['name']}, before the first launch:\n    {step['line']}")
    for part in arm["commands"]:
        click.echo(f"  {part['name']}, port {arm['ports'][part['name']]}:\n    {part['line']}")
        for path in part["files"]:
            click.echo(f"    (writes {path} first)")
    if not arm["commands"]:
        click.echo(f"  {arm['url'] or ''} {NOT_STARTED[arm['runtime']]}".rstrip())
    for step, names in arm["secrets"].items():
        click.echo(f"  secrets, taken from the environment by name: {', '.join(names)} ({step.replace('_', ', ')})")
    click.echo("")


def _row(launch: PlannedLaunch, arm: dict[str, Any]) -> tuple[str, str, str, str]:
    block = f"{launch.block}{' (burn-in)' if launch.burn_in else ''}"
    return str(launch.index), block, launch.arm, ", ".join(map(str, arm["ports"].values())) or "-"


def _mode_row(name: str, mode: dict[str, Any]) -> tuple[str, ...]:
    from bench.report.format import quantity

    if "problem" in mode:
        return f"--mode {name}", "-", "-", mode["problem"], "-"
    size = quantity(mode["disk_bytes"], "bytes")
    return f"--mode {name}", str(mode["blocks"]), str(mode["launches"]), minutes(mode["expected_s"]), size

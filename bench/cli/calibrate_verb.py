"""`nimbench calibrate`: how far the client's times are from the truth on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from bench.calibration import calibrate
from bench.events import Event
from bench.model import Load, Stage


@click.command(name="calibrate")
@click.option("--concurrency", "levels", multiple=True, type=click.IntRange(min=1), help="Streams; repeatable.")
@click.option("--input-tokens", type=click.IntRange(min=1), default=128, show_default=True, help="Length of a prompt.")
@click.option("--output-tokens", type=click.IntRange(min=1), default=128, show_default=True, help="Tokens an answer.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Load processes.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on stdout.")
def command(levels: tuple[int, ...], input_tokens: int, output_tokens: int, workers: int, as_json: bool) -> None:
    """Run the client against a server that logs when it really wrote, and print what the client adds."""
    stages = tuple(Stage(id=f"c{level}", concurrency=level) for level in levels or (1, 8, 32))
    load = Load(stages=stages, input_tokens=input_tokens, output_tokens=output_tokens, workers=workers)
    rows = calibrate(load, _say)
    click.echo(json.dumps({"calibration": rows}, indent=2) if as_json else "\n".join(_text(rows)))


def _text(rows: tuple[Mapping[str, Any], ...]) -> list[str]:
    names = f"{'streams':>8}{'TTFT error p50':>17}{'p99':>11}{'gap error p50':>16}{'p99':>11}{'client CPU':>13}"
    lines = [f"{names}{'chunks':>9}"]
    for row in rows:
        times = [row[f"{name}_p{p}_s"] for name in ("ttft_error", "itl_error") for p in (50, 99)]
        shown = ["unknown" if time_s is None else f"{time_s * 1e3:.3f} ms" for time_s in times]
        cells = (f"{shown[0]:>17}", f"{shown[1]:>11}", f"{shown[2]:>16}", f"{shown[3]:>11}")
        lines.append(f"{row['concurrency']:>8}{''.join(cells)}{row['client_cpu_s']:>11.2f} s{row['chunks']:>9}")
    return lines


def _say(event: Event) -> None:
    click.echo(f"{event.kind}: {event.text}", err=True)

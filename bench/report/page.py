"""Assembles report.html: one self-contained file, everything foreign escaped and bounded, plotly inlined once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bench.analysis.rows import tpot_s, ttft_s
from bench.report import (
    charts,
    comparisons,
    contents,
    energy,
    glossary,
    images,
    launches,
    overtime,
    pulls,
    setup,
    timeline,
)
from bench.report import format as fmt
from bench.report.arm_health import decoding_rows
from bench.report.audit import audit_table
from bench.report.charts import Chart
from bench.report.dose import dose_section
from bench.report.dose_charts import dose_charts, prediction_charts
from bench.report.headline import banner, headline, notices
from bench.report.instrument import instrument_rows
from bench.report.processes import process_rows
from bench.report.server_side import server_tables
from bench.report.subject import Subject

_TEMPLATES = Path(__file__).parent / "templates"


def render(subject: Subject) -> str:
    """The whole page."""
    template = _environment().get_template("page.html.j2")
    html: str = template.render(context(subject))
    return html


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": fmt.safe_text, "chart_json": chart_json, "utc": utc, "label": glossary.label}
    return environment


def context(subject: Subject) -> dict[str, Any]:
    """Everything that the template names."""
    run, summary, top = subject.run, subject.summary, headline(subject)
    server_rows, quantile_rows = server_tables(subject)
    return {
        "run": run, "scenario": subject.scenario, "summary": summary, "arms": subject.arms,
        "colour": subject.colour, "headline": top, "notices": notices(subject),
        "banner": banner(subject), "missing": subject.data.missing, "counted": len(subject.kept),
        "drawing": None if top.css == "dose" else comparisons.primary_drawing(subject),
        "groups": comparisons.groups(subject),
        "charts": chart_groups(subject), "audit": audit_table(subject),
        "image_facts": images.image_facts(subject), "prepared_facts": images.prepared_facts(subject),
        "inside": contents.section(subject),
        "dose": dose_section(subject),
        "machine": setup.machine(subject), "arm_facts": setup.arm_facts(subject), "commands": setup.commands(subject),
        "host_facts": setup.host_facts(subject), "question_facts": setup.question_facts(subject),
        "launches": launches.launch_rows(subject),
        "layers_written": any(one.launch.container_layer_bytes is not None for one in subject.data.launches),
        "files": launches.files(subject.data.folder),
        "findings": subject.findings,
        "server_rows": server_rows, "quantile_rows": quantile_rows, "decoding_rows": decoding_rows(subject),
        "process_rows": process_rows(subject),
        "failures": launches.failures(subject), "instrument": instrument_rows(subject), "money": money(subject),
        "metric_entries": glossary.metric_entries(subject), "method_entries": glossary.method_entries(),
        "style": Markup((_TEMPLATES / "style.css").read_text()),
        "script": Markup((_TEMPLATES / "charts.js").read_text()),
        "plotly": Markup(get_plotlyjs()), "duration": fmt.duration, "unknown": fmt.UNKNOWN,
    }  # fmt: skip


def chart_groups(subject: Subject) -> dict[str, tuple[Chart, ...]]:
    """The charts of each section; a section whose data are not there has none."""
    stages = [stage.id for stage in subject.scenario.load.stages]
    wanted: dict[str, list[Callable[[], Chart | None]]] = {
        "curve": [
            lambda: charts.throughput_latency(subject, "ttft_p50_s", "TTFT p50"),
            lambda: charts.throughput_latency(subject, "tpot_p50_s", "TPOT p50"),
            lambda: energy.by_concurrency(subject),
        ],
        "ttft": [lambda s=s: charts.distribution(subject, ttft_s, "TTFT", s) for s in stages],  # type: ignore[misc]
        "tpot": [lambda s=s: charts.distribution(subject, tpot_s, "TPOT", s) for s in stages],  # type: ignore[misc]
        "blocks": [lambda: charts.primary_by_block(subject), lambda: charts.ratio_by_block(subject)],
        "startup": [lambda: timeline.startup(subject)],
        "pulls": [lambda a=arm.name: pulls.pull_layers(subject, a) for arm in subject.arms],  # type: ignore[misc]
        "inside": contents.charts(subject),
        "telemetry": [lambda: overtime.telemetry(subject)],
    }
    drawn = {name: tuple(chart for draw in draws if (chart := draw())) for name, draws in wanted.items()}
    return drawn | {"dose": dose_charts(subject), "predicted": prediction_charts(subject)}


def chart_json(chart: Chart) -> Markup:
    """A figure as JSON that no text inside can break out of."""
    text: str = chart.figure.to_json()
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def money(subject: Subject) -> dict[str, Any]:
    """The prices with their source; without them the question, never a number."""
    cost = subject.scenario.cost
    prices = (
        ("GPU", cost.gpu_hour_usd, "USD per GPU hour", "cost.gpu_hour_usd"),
        ("NIM licence", cost.nim_licence_gpu_year_usd, "USD per GPU and year", "cost.nim_licence_gpu_year_usd"),
        ("engineer", cost.engineer_hour_usd, "USD per hour", "cost.engineer_hour_usd"),
    )
    return {
        "known": [(name, fmt.quantity(price, unit)) for name, price, unit, _ in prices if price is not None],
        "asked": [key for _, price, _, key in prices if price is None],
        "source": fmt.safe_text(cost.source) if cost.source else fmt.UNKNOWN,
        "break_even": [
            (fmt.safe_text(k, 80), fmt.safe_text(v)) for k, v in subject.summary.decision.break_even.items()
        ],
    }  # fmt: skip


def utc(text: str | None) -> str:
    """An ISO instant to the second, in UTC."""
    return fmt.UNKNOWN if not text else f"{fmt.safe_text(text, 40)[:19].replace('T', ' ')} UTC"

"""What an output token costs in joules at each level of load, where GPUs were sampled."""

from __future__ import annotations

from bench.report.charts import Chart, blank, floats, plain
from bench.report.format import UNKNOWN, quantity
from bench.report.subject import Subject

METRIC, NET = "energy_per_output_token_j", "energy_net_per_output_token_j"
LOADED, EMPTY = "loaded_idle_power_w", "idle_power_w"


def by_concurrency(subject: Subject) -> Chart | None:
    """A point per launch and stage, a line through each arm's centres; None where no launch has joules."""
    figure = blank()
    stages = [(stage.id, stage.concurrency) for stage in subject.scenario.load.stages if stage.concurrency]
    for arm in subject.arms:
        found = [(streams, value) for stage, streams in stages if (value := subject.value(arm.name, METRIC, stage))]
        points = [(streams, joules, i) for streams, value in found for i, joules in sorted(value.per_launch.items())]
        centre = [(streams, value.value) for streams, value in found if value.value is not None]
        net = [(streams, one.value) for stage, streams in stages if (one := subject.value(arm.name, NET, stage))]
        net = [(streams, joules) for streams, joules in net if joules is not None]
        colour, shown = subject.colour(arm.name), plain(arm.name)
        if points:
            figure.add_scatter(
                x=floats(p[0] for p in points), y=floats(p[1] for p in points), mode="markers", legendgroup=arm.name,
                marker={"color": colour, "symbol": subject.symbol(arm.name), "size": 7, "opacity": 0.55},
                name=f"{shown}: a launch", customdata=[[p[2], float(f"{1 / p[1]:.4g}")] for p in points],
                hovertemplate="launch %{customdata[0]}<br>%{x:.0f} streams, %{y:.4g} J<br>"
                "%{customdata[1]} tokens per J",
            )  # fmt: skip
        if centre:
            figure.add_scatter(
                x=floats(c[0] for c in centre), y=floats(c[1] for c in centre), mode="lines", legendgroup=arm.name,
                line={"color": colour, "width": 2}, name=f"{shown}: centre of its launches", hoverinfo="skip",
            )  # fmt: skip
        if net:
            figure.add_scatter(
                x=floats(n[0] for n in net), y=floats(n[1] for n in net), mode="lines+markers",
                legendgroup=arm.name, marker={"color": colour, "symbol": "line-ew-open", "size": 12},
                line={"color": colour, "width": 2, "dash": "dot"}, name=f"{shown}: net of idle", hoverinfo="skip",
            )  # fmt: skip
    if not figure.data:
        return None
    figure.update_xaxes(title="streams at once", type="log")
    figure.update_yaxes(title="energy per output token (J)", rangemode="tozero")
    return Chart(
        "energy-by-concurrency", "Energy per output token against concurrency",
        "Joules of the GPU boards alone (neither the host's nor the wall's), idle share included: what a GPU takes for "
        "doing nothing is shared by more tokens the more streams there are. The arms are compared at equal "
        "concurrency, not at an equal rate: a faster one answers more requests meanwhile."
        f"{_idle_words(subject)}",
        figure, 380,
    )  # fmt: skip


def _idle_words(subject: Subject) -> str:
    """What the cards took with nothing to do; empty where no launch watched them."""
    words = [
        f"{arm.name}: {_watts(subject, arm.name, EMPTY)} before it, {_watts(subject, arm.name, LOADED)} loaded"
        for arm in subject.arms
        if subject.value(arm.name, LOADED, None) or subject.value(arm.name, EMPTY, None)
    ]
    return (
        f" Dotted: less what the boards take with no arm on them. Idle power of {'; of '.join(words)}." if words else ""
    )


def _watts(subject: Subject, arm: str, metric: str) -> str:
    value = subject.value(arm, metric, None)
    return quantity(value.value, "W", ci=value.ci95) if value else UNKNOWN

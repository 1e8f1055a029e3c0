"""The marks of every start-up, launch by launch."""

from __future__ import annotations

import numpy as np

from bench.record import Launch
from bench.report.charts import Chart, blank, floats, plain
from bench.report.subject import Subject
from bench.vocabulary import Mark

_FIRST = (Mark.PULL_START, Mark.CREATED)  # what came before is the suite's own: waiting for a GPU, watching it idle


def startup(subject: Subject) -> Chart | None:
    """Start-up as segments from mark to mark, a row per launch."""
    order = list(Mark)
    rows = [one.launch for arm in reversed(subject.arms) for one in reversed(subject.kept_of(arm.name))]
    used = [m for m in order if any(m in launch.marks for launch in rows)]
    figure, shades = blank(), _shades(len(used))
    for mark, shade in zip(used, shades, strict=True):
        bars = []
        for launch in rows:
            began = _began_s(launch)
            if mark not in launch.marks or launch.marks[mark] <= began:
                continue
            end = launch.marks[mark]
            start = max((t for m, t in launch.marks.items() if began < t < end and m is not mark), default=began)
            bars.append((_row_name(subject, launch), start - began, end - start, end - began))
        if not bars:
            continue
        figure.add_bar(
            orientation="h", y=[b[0] for b in bars], base=floats(b[1] for b in bars), x=floats(b[2] for b in bars),
            name=f"until {mark.value} (s)", marker={"color": shade, "line": {"width": 0.5, "color": "#fff"}},
            customdata=[[b[3]] for b in bars], width=0.7,
            hovertemplate=f"{mark.value} at %{{customdata[0]:.4g}} s, took %{{x:.4g}} s<extra></extra>",
        )  # fmt: skip
    if not figure.data:
        return None
    figure.update_layout(barmode="overlay", margin={"l": 10, "t": 60}, legend={"traceorder": "normal"})
    figure.update_xaxes(title="seconds since the order to start (s)", rangemode="tozero")
    figure.update_yaxes(automargin=True, showgrid=False)
    return Chart(
        "startup", "Start-up, mark by mark",
        "Each row is one launch, from the order to start its arm (or to pull its image, where the launch does that); "
        "the segment “until ready” ends when the engine's own readiness route said so.",
        figure, 130 + 24 * len(rows),
    )  # fmt: skip


def _began_s(launch: Launch) -> float:
    return next((launch.marks[mark] for mark in _FIRST if mark in launch.marks), 0.0)


def _row_name(subject: Subject, launch: Launch) -> str:
    return f'<span style="color:{subject.colour(launch.arm)}">■</span> {plain(launch.arm)} {launch.index}'


def _shades(count: int) -> list[str]:
    low, high = np.array([205, 221, 235]), np.array([22, 60, 98])
    steps = [low + (high - low) * (i / max(1, count - 1)) for i in range(count)]
    return [f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in steps]

"""The charts of a dose: seconds over gigabytes with the blocks' mean line, and predicted against measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.dose_band import band
from bench.analysis.dose_rows import PER, DoseRow, blocks_of, dose_rows
from bench.conclusion import Prediction
from bench.model import Dose
from bench.report.charts import INK, Chart, blank, floats, plain
from bench.report.glossary import label
from bench.report.subject import Subject

_LINE, _BAND, _OTHER = "#0072B2", "rgba(0,114,178,0.18)", "#D55E00"
_GRID = 25  # points of a band
_DRAWN = ("push_s", "download_s", "extract_s", "pull_s", "start_to_first_token_s", "pull_to_first_token_s")
_HELD = ("push_s", "pull_s", "pull_to_first_token_s")


def dose_charts(subject: Subject) -> tuple[Chart, ...]:
    """Dose and response, a chart for each time; nothing where the scenario asks for no dose."""
    dose = subject.scenario.dose
    if dose is None:
        return ()
    rows = dose_rows(subject.numbers)
    return tuple(chart for metric in _DRAWN if (chart := response(rows, dose, metric)))


def prediction_charts(subject: Subject) -> tuple[Chart, ...]:
    """Predicted against measured, a chart for each time."""
    if subject.scenario.dose is None:
        return ()
    rows = dose_rows(subject.numbers)
    return tuple(chart for metric in _HELD if (chart := held(subject, rows, metric)))


def response(rows: Sequence[DoseRow], dose: Dose, metric: str) -> Chart | None:
    """Every launch of the series, the mean of the blocks' lines with its interval, and the images to predict."""
    per, blocks = PER[metric], blocks_of(rows, dose.series, metric)
    points = [row for few in blocks.values() for row in few]
    if not points:
        return None
    figure = blank()
    reach = max(row.dose_gb(metric) or 0.0 for row in points)
    lines = band(metric, blocks, [float(x) for x in np.linspace(0.0, reach, _GRID)])
    if lines:
        x = [one.gb for one in lines]
        if all(one.ci95 for one in lines):
            low, high = ([one.ci95[end] for one in lines if one.ci95] for end in (0, 1))
            figure.add_scatter(
                x=floats([*x, *reversed(x)]), y=floats([*high, *reversed(low)]), fill="toself", fillcolor=_BAND,
                line={"width": 0}, hoverinfo="skip", name="95 % interval of the line",
            )  # fmt: skip
        figure.add_scatter(
            x=floats(x), y=floats(one.mean for one in lines), mode="lines", line={"color": _LINE, "width": 2},
            name="mean of the blocks' lines", hoverinfo="skip",
        )  # fmt: skip
    _points(figure, points, metric, name="series, a launch", colour=_LINE, symbol="circle")
    others = [row for few in blocks_of(rows, dose.predict, metric).values() for row in few]
    _points(figure, others, metric, name="not in the line, a launch", colour=_OTHER, symbol="diamond-open")
    by = "sent by the push" if metric == "push_s" else "brought by the pull"
    figure.update_xaxes(title=f"{by}, on the {per} (GB)", rangemode="tozero")
    figure.update_yaxes(title=f"{label(metric)} (s)", rangemode="tozero")
    return Chart(
        f"dose-{metric}", f"{label(metric)} over gigabytes on the {per}",
        "Each point is one launch; the line and its interval come from the series alone. A diamond off the line costs "
        "more or less than ballast of its size: compressible bytes come down sooner, and what a build compiles is not "
        "in the bytes.",
        figure,
    )  # fmt: skip


def _points(figure: object, rows: Sequence[DoseRow], metric: str, *, name: str, colour: str, symbol: str) -> None:
    if not rows:
        return
    figure.add_scatter(  # type: ignore[attr-defined]
        x=floats(row.dose_gb(metric) for row in rows), y=floats(row.times[metric] for row in rows),
        mode="markers", name=name,
        marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.8},
        customdata=[[plain(row.arm), row.launch] for row in rows],
        hovertemplate="%{customdata[0]}, launch %{customdata[1]}<br>%{x:.4g} GB, %{y:.4g} s<extra></extra>",
    )  # fmt: skip


def held(subject: Subject, rows: Sequence[DoseRow], metric: str) -> Chart | None:
    """A row per image: the interval that the series predicts, and its launches as they were measured."""
    found = [one for one in (subject.summary.dose.predictions if subject.summary.dose else ()) if one.metric == metric]
    if not found:
        return None
    names = {one.arm: plain(one.arm) + (" (not covered)" if one.beyond else "") for one in found}
    figure = blank()
    figure.add_scatter(
        x=floats(max(0.0, one.predicted_s) for one in found), y=[names[one.arm] for one in found], mode="markers",
        marker={"symbol": "line-ns-open", "size": 16, "color": _LINE, "line": {"width": 2}},
        name="predicted, 95 % of launches",
        error_x={
            "type": "data", "symmetric": False, "color": _LINE, "thickness": 6, "width": 0,
            "array": [_reach_s(one, 1) for one in found],
            "arrayminus": [_reach_s(one, 0) for one in found],
        },
        opacity=0.6, hovertemplate="%{y}: predicted %{x:.4g} s<extra></extra>",
    )  # fmt: skip
    mine = [row for row in rows if row.arm in names and metric in row.times]
    figure.add_scatter(
        x=floats(row.times[metric] for row in mine), y=[names[row.arm] for row in mine], mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": _OTHER, "line": {"width": 1, "color": INK}},
        name="measured, a launch", customdata=[[row.launch] for row in mine],
        hovertemplate="%{y}, launch %{customdata[0]}: %{x:.4g} s<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=f"{label(metric)} (s)", rangemode="tozero")
    figure.update_yaxes(automargin=True, autorange="reversed", showgrid=False)
    what = (
        "The bar is where the series says that 95 of 100 launches lie; diamonds beside it cost more or less than their "
        "bytes."
        if any(one.interval95 for one in found)
        else "The mark is what the series says; one block gives no interval."
    )
    if any(one.beyond for one in found):
        what += " Not covered: the series has no such image, and what it foretells does not apply to it."
    return Chart(
        f"predicted-{metric}", f"{label(metric)}: predicted and measured", what,
        figure, 170 + 44 * len(found),
    )  # fmt: skip


def _reach_s(one: Prediction, end: int) -> float:
    """From the mark to one end of its interval, which begins at 0 where the line's begins below."""
    return abs(max(0.0, one.interval95[end]) - max(0.0, one.predicted_s)) if one.interval95 else 0.0

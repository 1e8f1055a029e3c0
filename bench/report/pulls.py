"""The chart of a pull: when each layer came down and when it was unpacked."""

from __future__ import annotations

from bench.container import LayerTimes
from bench.report import format as fmt
from bench.report.charts import Chart, blank, floats, plain
from bench.report.subject import Subject

_MOST_ROWS = 60
_DOWN, _UNPACK = "#9db7d1", "#1f4e79"


def pull_layers(subject: Subject, arm: str) -> Chart | None:
    """A row per layer of an arm's image, on one axis of time for all arms."""
    record = subject.run.images.get(arm)
    layers = _timed(record.pull.layers) if record and record.pull else []
    if not record or not record.pull or not layers:
        return None
    rows = sorted(layers, key=_length_s, reverse=True)[:_MOST_ROWS]
    rows = [layer for layer in reversed(layers) if layer in rows]
    names = [_row_name(len(rows) - place, layer) for place, layer in enumerate(rows)]
    figure = blank()
    for title, colour, spans in (
        ("downloading (s)", _DOWN, [(r.download_start_s, r.download_end_s) for r in rows]),
        ("unpacking (s)", _UNPACK, [(r.extract_start_s, r.extract_end_s) for r in rows]),
    ):
        bars = [(n, a, b) for n, (a, b) in zip(names, spans, strict=True) if a is not None and b is not None]
        if bars:
            figure.add_bar(
                orientation="h", y=[n for n, _, _ in bars], base=floats(a for _, a, _ in bars),
                x=floats(b - a for _, a, b in bars), name=title, width=0.7,
                marker={"color": colour, "line": {"width": 0}}, customdata=[[a, b] for _, a, b in bars],
                hovertemplate="%{y}<br>%{customdata[0]:.4g} to %{customdata[1]:.4g} s<extra></extra>",
            )  # fmt: skip
    walls = [one.pull.wall_s for one in subject.run.images.values() if one.pull]
    figure.update_layout(barmode="overlay", margin={"l": 10}, legend={"traceorder": "normal"})
    figure.update_xaxes(title="time since it began (s)", range=[0, max(walls) * 1.02])
    figure.update_yaxes(
        automargin=True, showgrid=False, categoryorder="array", categoryarray=names, tickfont={"size": 11}
    )
    left_out = f", the {len(rows)} longest of {len(layers)} layers" if len(rows) < len(layers) else ""
    return Chart(
        f"pull-{arm}", f"Pull of {plain(arm)}, {fmt.duration(record.pull.wall_s)}{left_out}",
        "Each row is one layer with its size in the registry, in the order in which they began; layers that were "
        "already there are left out. Engines unpack one layer after the other, so a large early layer holds up the "
        "rest.",
        figure, 100 + 22 * len(rows),
    )  # fmt: skip


def _timed(layers: tuple[LayerTimes, ...]) -> list[LayerTimes]:
    known = [one for one in layers if not one.already_present and _starts(one)]
    return sorted(known, key=lambda one: min(_starts(one)))


def _starts(layer: LayerTimes) -> list[float]:
    spans = ((layer.download_start_s, layer.download_end_s), (layer.extract_start_s, layer.extract_end_s))
    return [start for start, end in spans if start is not None and end is not None]


def _length_s(layer: LayerTimes) -> float:
    down = (layer.download_end_s or 0.0) - (layer.download_start_s or 0.0)
    return max(0.0, down) + max(0.0, (layer.extract_end_s or 0.0) - (layer.extract_start_s or 0.0))


def _row_name(place: int, layer: LayerTimes) -> str:
    size = f", {fmt.quantity(layer.bytes, 'bytes')}" if layer.bytes is not None else ""
    return f"{place}. {plain(layer.id)[:12]}{size}"

"""The charts of the section on images: bytes by layer, what is shared hatched, and bytes by what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import plotly.graph_objects as go

from bench.analysis.contents import shared_layers
from bench.anatomy import ImageContents, LayerAnatomy
from bench.report import format as fmt
from bench.report.charts import Chart, blank, floats, plain
from bench.report.contents_tables import GROUPS, HIDDEN, group_bytes, hidden_bytes, instruction, looked_into
from bench.report.subject import Subject
from bench.vocabulary import ByteGroup

_LEAST_SHARE = 0.004  # of the longest bar; neighbours below it are drawn as one
_PATTERN = {"fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.9}
_HIDDEN_COLOUR = "#c9ced4"
_GROUP_COLOURS: Mapping[ByteGroup, str] = {
    ByteGroup.GPU_LIBRARY: "#1f4e79", ByteGroup.PYTHON: "#5b8db8", ByteGroup.SYSTEM: "#a9c6dd",
    ByteGroup.UNOWNED: "#7d5a9e", ByteGroup.WEIGHTS: "#2e7d5b", ByteGroup.BUILD_TOOL: "#b3541e",
    ByteGroup.CACHE: "#e39b4f", ByteGroup.BYTECODE: "#f1cf8b", ByteGroup.DOCS: "#8a8f45",
}  # fmt: skip
_REMOVABLE = (ByteGroup.BUILD_TOOL, ByteGroup.CACHE, ByteGroup.BYTECODE, ByteGroup.DOCS)


@dataclass(slots=True)
class _Part:
    """A stretch of a bar: one layer, or several small ones in a row."""

    arm: str
    start: float
    size: float
    shared: bool
    text: str
    layers: int = 1


def layers_on_wire(subject: Subject) -> Chart | None:
    """Compressed bytes by layer; none where an image has a layer whose size is not known."""
    contents = looked_into(subject)
    if any(layer.wire_bytes is None for one in contents.values() for layer in one.anatomy.layers):
        return None
    guessed = any(one.anatomy.wire_is_estimate for one in contents.values())
    title = f"Compressed bytes by layer, as a registry sends them{' (estimated where no registry was asked)' * guessed}"
    return _by_layer(subject, "image-layers-wire", title, lambda layer: layer.wire_bytes or 0)


def layers_on_disk(subject: Subject) -> Chart | None:
    """Unpacked bytes by layer."""
    return _by_layer(subject, "image-layers-disk", "Bytes on disk by layer", lambda layer: layer.disk_bytes)


def _by_layer(subject: Subject, name: str, title: str, size_of: Callable[[LayerAnatomy], int]) -> Chart | None:
    contents = looked_into(subject)
    longest = max((sum(map(size_of, one.anatomy.layers)) for one in contents.values()), default=0)
    if not longest:
        return None
    scale, figure = fmt.scale_for("bytes", (longest,)), blank()
    parts = [part for arm in contents for part in _parts(contents, arm, size_of, longest * _LEAST_SHARE)]
    for shared, legend in ((True, "in another arm's image too"), (False, "in this image alone")):
        mine = [part for part in parts if part.shared is shared]
        if not mine:
            continue
        figure.add_bar(
            orientation="h", y=[plain(part.arm) for part in mine], base=floats(p.start * scale.factor for p in mine),
            x=floats(part.size * scale.factor for part in mine), name=legend, width=0.62,
            marker={
                "color": [subject.colour(part.arm) for part in mine], "line": {"width": 1, "color": "#ffffff"},
                "pattern": {"shape": "/" if shared else "", **_PATTERN, "size": 8, "solidity": 0.35},
            },
            customdata=[[part.text, fmt.quantity(part.size, "bytes")] for part in mine],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )  # fmt: skip
    _finish(figure, contents, f"{scale.unit} from the base up")
    return Chart(
        name, title,
        "Each stretch of a bar is one layer, the base at the left; hatched ones are layers that another arm's image "
        "has too, which a node that holds that image neither pulls nor stores again.",
        figure, 120 + 44 * len(contents),
    )  # fmt: skip


def _parts(
    contents: Mapping[str, ImageContents], arm: str, size_of: Callable[[LayerAnatomy], int], least: float
) -> list[_Part]:
    """Layers from the base up; those too thin to see are put together while they are alike."""
    parts: list[_Part] = []
    reached = 0
    for layer, shared in zip(contents[arm].anatomy.layers, shared_layers(contents, arm), strict=True):
        size = size_of(layer)
        last = parts[-1] if parts else None
        if last and last.shared is shared and last.size < least and size < least:
            last.size, last.layers = last.size + size, last.layers + 1
            last.text = f"{last.layers} small layers"
        elif size:
            parts.append(_Part(arm, reached, size, shared, plain_long(layer.created_by)))
        reached += size
    return parts


def plain_long(created_by: str) -> str:
    """An instruction that the chart library cannot take for markup, broken into lines that fit a hover label."""
    text = instruction(created_by, 240).replace("<", "‹")
    return "<br>".join(text[start : start + 70] for start in range(0, len(text), 70))


def groups(subject: Subject) -> Chart | None:
    """Bytes by what they are, one bar an arm."""
    contents = looked_into(subject)
    sizes = {name: [group_bytes(one, group) for one in contents.values()] for group, name in GROUPS.items()} | {
        HIDDEN: [hidden_bytes(one) for one in contents.values()]
    }
    longest = max((sum(column) for column in zip(*sizes.values(), strict=True)), default=0)
    if not longest:
        return None
    scale, figure = fmt.scale_for("bytes", (longest,)), blank()
    colours = {GROUPS[group]: colour for group, colour in _GROUP_COLOURS.items()} | {HIDDEN: _HIDDEN_COLOUR}
    dotted = {GROUPS[group] for group in _REMOVABLE} | {HIDDEN}
    for name, row in sizes.items():
        if any(row):
            figure.add_bar(
                orientation="h", y=[plain(arm) for arm in contents], x=floats(size * scale.factor for size in row),
                name=name, width=0.62,
                marker={
                    "color": colours[name], "line": {"width": 1, "color": "#ffffff"},
                    "pattern": {"shape": "." if name in dotted else "", **_PATTERN, "size": 6, "solidity": 0.25},
                },
                customdata=[[fmt.quantity(size, "bytes")] for size in row],
                hovertemplate=f"%{{y}}, {name}: %{{customdata[0]}}<extra></extra>",
            )  # fmt: skip
    _finish(figure, contents, scale.unit)
    figure.update_layout(barmode="stack")
    return Chart(
        "image-groups", "Bytes on disk by what they are",
        "The files that a container sees, each counted once in the first group that fits; dotted groups are "
        f"what a lean image can do without. “{HIDDEN.capitalize()}” are files that a later layer writes again or "
        "deletes: stored and pulled, never seen.",
        figure, 190 + 44 * len(contents),
    )  # fmt: skip


def _finish(figure: go.Figure, contents: Mapping[str, ImageContents], unit: str) -> None:
    figure.update_layout(barmode="overlay", margin={"l": 10}, legend={"traceorder": "normal"}, bargap=0.3)
    figure.update_xaxes(title=unit, rangemode="tozero")
    names = [plain(arm) for arm in reversed(list(contents))]
    figure.update_yaxes(automargin=True, showgrid=False, categoryorder="array", categoryarray=names)

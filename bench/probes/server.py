"""The engine's own counters: its Prometheus text, under our names, whatever else is in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=[ \t{])")
_REDUCED = ("_sum", "_count")  # what is kept of a histogram or summary


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one scrape gave: our name -> value, and how many lines could not be read."""

    values: Mapping[str, float]
    dropped_lines: int


def parse_exposition(text: str, metric_names: Mapping[str, str]) -> Exposition:
    """The metrics asked for, each summed over its labels; of several names for one of ours the first in the table.

    Line by line, because the parser stops at the first bad line; and only the lines asked for, because an engine
    shows hundreds.
    """
    values: dict[str, dict[str, float]] = {}  # ours -> theirs -> sum
    dropped = 0
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name = _NAME.match(line)
        ours = _our_name(name[0], metric_names) if name else None
        value = _value(line) if ours else None
        if name and ours and value is not None and math.isfinite(value):
            sums = values.setdefault(ours, {})
            sums[name[0]] = sums.get(name[0], 0.0) + value
        elif not name or (ours and value is None):
            dropped += 1
    order = list(metric_names)
    return Exposition(
        {ours: sums[min(sums, key=lambda name: _rank(name, order))] for ours, sums in values.items()}, dropped
    )


def _rank(name: str, order: list[str]) -> int:
    """Where the table has the name; an engine that shows an old name beside the new one means the same number."""
    known = (name, *(name.removesuffix(suffix) for suffix in _REDUCED))
    return min(order.index(one) for one in known if one in order)


def _our_name(name: str, metric_names: Mapping[str, str]) -> str | None:
    if name in metric_names:
        return metric_names[name]
    for suffix in _REDUCED:
        if name.endswith(suffix) and name.removesuffix(suffix) in metric_names:
            return metric_names[name.removesuffix(suffix)] + suffix
    return None


def _value(line: str) -> float | None:
    """The number of one sample line, None for a line that breaks the format."""
    try:
        samples = [sample for family in text_string_to_metric_families(line + "\n") for sample in family.samples]
    except (ValueError, IndexError, KeyError):
        return None
    return float(samples[0].value) if len(samples) == 1 else None

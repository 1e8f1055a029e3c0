"""The engine's own counters: its Prometheus text, under our names, whatever else is in it.

One set of names for every engine; each engine's table says which of its own stand for them:

requests_running, requests_waiting       requests in the engine, and before it
kv_cache_usage_ratio                     0 to 1, of the fullest cache where several engines share the load
prompt_tokens_total, output_tokens_total tokens since the engine began
prefix_cache_queries_total, …_hits_total prompt tokens looked up in the prefix cache, and found there
preemptions_total                        requests put back because the KV cache was full
ttft_s_sum, ttft_s_count, ttft_s_le_0.25 the engine's own time to first token: histogram, cumulative as it shows it
tpot_s_…, e2e_s_…                        the same of time per output token and of whole requests
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=[ \t{])")
_REDUCED = ("_sum", "_count")  # what is kept of a histogram or summary whose family is asked for
_BUCKET = "_le"  # ends our name of a histogram's buckets, which are kept where they are asked for
_SHARE = "_ratio"


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one scrape gave: our name -> value, and how many lines could not be read."""

    values: Mapping[str, float]
    dropped_lines: int


def parse_exposition(text: str, metric_names: Mapping[str, str]) -> Exposition:
    """The metrics asked for, over all labels; of several names for one of ours the first in the table.

    Labels tell engines, ranks and models apart. Amounts of them add up; of shares (`_ratio`) the largest is taken: two
    caches that are half full are not one full cache. Line by line, because the parser stops at the first bad line; and
    only the lines asked for, because an engine shows hundreds.
    """
    values: dict[str, dict[str, float]] = {}  # ours -> theirs -> over the labels
    dropped = 0
    for line in text.split("\n"):  # the format's own rule: within a label other line ends are text
        if not line.strip() or line.startswith("#"):
            continue
        name = _NAME.match(line)
        asked = _our_name(name[0], metric_names) if name else None
        read = _read(line.removesuffix("\r"), asked) if asked else None
        if not name or (asked and read is None):
            dropped += 1
        elif read and math.isfinite(read[1]):
            ours, value = read
            found = values.setdefault(ours, {})
            before = found.get(name[0])
            found[name[0]] = value if before is None else _together(ours, before, value)
    order = list(metric_names)
    return Exposition(
        {ours: sums[min(sums, key=lambda name: _rank(name, order))] for ours, sums in values.items()}, dropped
    )


def _together(ours: str, one: float, other: float) -> float:
    return max(one, other) if ours.endswith(_SHARE) else one + other


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


def _read(line: str, asked: str) -> tuple[str, float] | None:
    """Our name and the number of one sample line, None for a line that breaks the format.

    A bucket's name ends in its bound: `ttft_s_le_0.25`. The bucket without a bound is the count, and left out as
    infinite.
    """
    try:
        samples = [sample for family in text_string_to_metric_families(line + "\n") for sample in family.samples]
        (sample,) = samples
        if not asked.endswith(_BUCKET):
            return asked, float(sample.value)
        bound = float(sample.labels["le"])
    except (ValueError, IndexError, KeyError):
        return None
    return f"{asked}_{bound:g}", float(sample.value) if math.isfinite(bound) else math.inf

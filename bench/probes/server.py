"""The engine's own counters: its Prometheus text, under our names, whatever else is in it.

One set of names for every engine; each engine's table says which of its own stand for them:

requests_running, requests_waiting       requests in the engine, and before it; vLLM's waiting ones since 0.20 with
                                         those that it put off (deferred), before that without. SGLang renews both, and
                                         the cache's, every 40 decoding steps unless told otherwise
                                         (decode_log_interval)
kv_cache_usage_ratio                     0 to 1, of the fullest cache where several engines share the load
prompt_tokens_total, output_tokens_total tokens since the engine began
prefix_cache_queries_total, …_hits_total prompt tokens looked up in the prefix cache, and found there
external_prefix_cache_hits_total         those found only behind it, by vLLM's KV connector (offloaded, or of another
                                         server): vLLM asks it for what its own cache lacks, so the two kinds of hits
                                         add up and the look-ups of its own cache are those of both
preemptions_total                        requests put back because the KV cache was full
ttft_s_sum, ttft_s_count, ttft_s_le_0.25 the engine's own time to first token: histogram, cumulative as it shows it;
                                         NIM 1.x and TensorRT-LLM count it when the request ends, the others at once
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
# SGLang's schedulers put these on every series, and each of them that shows one shows the same number: every stage of a
# pipeline has the same requests, and every tensor rank counts the same retraction. What shares the load is told apart
# by `dp_rank`, vLLM's by `engine`.
_RANKS = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
_QUEUES = frozenset({"requests_running", "requests_waiting"})
_PRIORITY = "priority"
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one scrape gave: our name -> value, and how many lines could not be read."""

    values: Mapping[str, float]
    dropped_lines: int


def parse_exposition(text: str, metric_names: Mapping[str, str]) -> Exposition:
    """The metrics asked for, over all labels; of several names for one of ours the first in the table.

    Labels tell engines, ranks and models apart. Amounts of engines and models add up, of one engine's ranks the largest
    counts; of shares (`_ratio`) the largest of all: two caches that are half full are not one full cache. Line by line,
    because the parser stops at the first bad line; and only the lines asked for, because an engine shows hundreds.
    """
    values: dict[str, dict[str, dict[Labels, float]]] = {}  # ours -> theirs -> labels but for the ranks
    dropped = 0
    for line in text.split("\n"):  # the format's own rule: within a label other line ends are text
        if not line.strip() or line.startswith("#"):
            continue
        name = _NAME.match(line)
        asked = _our_name(name[0], metric_names) if name else None
        read = _read(line.removesuffix("\r"), asked) if asked else None
        if not name or (asked and read is None):
            dropped += 1
        elif read and math.isfinite(read[-1]):
            ours, labels, value = read
            found = values.setdefault(ours, {}).setdefault(name[0], {})
            found[labels] = max(value, found.get(labels, value))
    order = list(metric_names)
    return Exposition(
        {
            ours: _together(ours, theirs[min(theirs, key=lambda name: _rank(name, order))])
            for ours, theirs in values.items()
        },
        dropped,
    )


def _together(ours: str, series: Mapping[Labels, float]) -> float:
    """One number of all that share the load.

    Of a queue SGLang shows the requests of each priority beside all of them, whose priority is empty. Its counters have
    an empty one, too, but for the requests that gave none: there the priorities add up.
    """
    if ours.endswith(_SHARE):
        return max(series.values())
    if ours in _QUEUES:
        return sum(value for labels, value in series.items() if not _is_part(labels, series))
    return sum(series.values())


def _is_part(labels: Labels, series: Mapping[Labels, float]) -> bool:
    whole = tuple(pair for pair in labels if pair[0] != _PRIORITY)
    return whole != labels and whole in series


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


def _read(line: str, asked: str) -> tuple[str, Labels, float] | None:
    """Our name, the labels and the number of one sample line, None for a line that breaks the format.

    The labels without the ranks, and without those that are empty: the format says that these are not there.

    A bucket's name ends in its bound: `ttft_s_le_0.25`. The bucket without a bound is the count, and left out as
    infinite.
    """
    try:
        samples = [sample for family in text_string_to_metric_families(line + "\n") for sample in family.samples]
        (sample,) = samples
        labels = tuple(sorted(pair for pair in sample.labels.items() if pair[1] and pair[0] not in _RANKS))
        if not asked.endswith(_BUCKET):
            return asked, labels, float(sample.value)
        bound = float(sample.labels["le"])
    except (ValueError, IndexError, KeyError):
        return None
    return f"{asked}_{bound:g}", labels, float(sample.value) if math.isfinite(bound) else math.inf

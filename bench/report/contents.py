"""The section "What is in the image?": everything that its template names; none where no image was looked into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.report import contents_charts, contents_lists, contents_tables
from bench.report import format as fmt
from bench.report.charts import Chart
from bench.report.subject import Subject

_MOST_DOUBTS = 20


def section(subject: Subject) -> dict[str, Any] | None:
    """The names of the template."""
    contents = contents_tables.looked_into(subject)
    if not contents:
        return None
    rate = contents_tables.rate_of(subject)
    return {
        "arms": tuple(contents), "without": [a.name for a in subject.arms if a.name not in contents], "rate": rate,
        "unpacking": f"{fmt.quantity(rate.unpacked_bytes_per_s, 'bytes')}/s" if rate.unpacked_bytes_per_s else None,
        "totals": contents_tables.total_facts(subject), "pulled": contents_tables.still_pulled(subject),
        "layers": contents_tables.layer_tables(subject), "groups": contents_tables.group_facts(subject),
        "archs": contents_tables.arch_facts(subject), "gpus": contents_tables.needed_archs(subject),
        "savings": contents_lists.saving_tables(subject, rate), "pins": contents_lists.pins(subject),
        "differences": contents_lists.differences(subject),
        "doubts": [(arm, text) for arm, one in contents.items() for text in one.anatomy.doubts[:_MOST_DOUBTS]],
    }  # fmt: skip


def charts(subject: Subject) -> list[Callable[[], Chart | None]]:
    """The charts of the section, drawn when asked."""
    if not subject.data.contents:
        return []
    drawn = (contents_charts.layers_on_wire, contents_charts.layers_on_disk, contents_charts.groups)
    return [lambda draw=draw: draw(subject) for draw in drawn]  # type: ignore[misc]

"""Gates on the rows: speed counts only where prompts and answers had the lengths that were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.model import Load
from bench.record import Finding
from bench.vocabulary import Phase, RequestStatus, Severity


def length_findings(requests: pa.Table, load: Load, *, has_usage: bool) -> list[Mapping[str, Any]]:
    """Findings as JSON documents, for the launch's client facts."""
    good = pc.and_(pc.equal(requests["phase"], str(Phase.WINDOW)), pc.equal(requests["status"], str(RequestStatus.OK)))
    rows = requests.filter(good)
    if not rows.num_rows:
        return []
    if not has_usage or rows["output_tokens"].null_count == rows.num_rows:
        return [_finding(
            "no-usage", f"the server sent no usage: lengths of {rows.num_rows} requests are unknown",
            "use a server that honours stream_options.include_usage",
        )]  # fmt: skip
    found = []
    for column, asked, next_ in (
        ("prompt_tokens", load.input_tokens, "give the model's own tokenizer.json as the tokenizer"),
        ("output_tokens", load.output_tokens, "make the engine ignore the end of text, or set its least tokens"),
    ):
        other = rows.filter(pc.not_equal(rows[column], asked))
        if other.num_rows:
            low, high = pc.min(other[column]).as_py(), pc.max(other[column]).as_py()
            text = f"{other.num_rows} of {rows.num_rows} requests have {low} to {high} {column}; {asked} were asked"
            found.append(_finding(column.replace("_", "-"), text, next_))
    return found


def _finding(name: str, text: str, next_: str) -> Mapping[str, Any]:
    return asdict(Finding(id=f"client-{name}", severity=Severity.WARN, text=text, next=next_))

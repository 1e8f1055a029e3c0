"""Whether two numbers may be divided: the arms are configured alike, and did the same work.

The gates: no unequal fact in the audit, and mean prompt and output tokens within 5 % of each other at the stage. What
is counted exactly, such as the bytes of an image, needs neither.
"""

from __future__ import annotations

from bench.analysis.audit import unequal
from bench.analysis.numbers import Cell, Numbers
from bench.vocabulary import Kind

MOST_WORK_RATIO = 1.05
# The first token does not depend on how many follow, and a share of errors is of requests.
_NOT_ON_OUTPUT = ("ttft_p50_s", "ttft_p90_s", "ttft_p99_s", "error_ratio")


def not_comparable(numbers: Numbers, cell: Cell, baseline: str, candidate: str) -> str | None:
    """Why the ratio of this cell means nothing, or None."""
    if cell.metric.kind is Kind.EXACT:
        return None
    if reason := unequal(numbers, baseline, candidate):
        return reason
    stage = cell.at.get("stage")
    if stage is None:
        return None
    columns = ["prompt_tokens"] if cell.metric.name in _NOT_ON_OUTPUT else ["prompt_tokens", "output_tokens"]
    for column in columns:
        one, other = (mean_tokens(numbers, arm, stage, column) for arm in (baseline, candidate))
        if one and other and max(one / other, other / one) > MOST_WORK_RATIO:
            what = column.replace("_", " ")
            return f"not the same work: {what} per request {one:.1f} ({baseline}) and {other:.1f} ({candidate})"
    return None


def mean_tokens(numbers: Numbers, arm: str, stage: str, column: str) -> float | None:
    """Mean of a token count over an arm's measured good requests at a stage; None where the server did not count."""
    key = (arm, stage, column)
    if key not in numbers.token_means:
        counts = [rows.ok[column].dropna() for rows in numbers.passes_at(arm, stage)]
        total, n = sum(float(one.sum()) for one in counts), sum(map(len, counts))
        numbers.token_means[key] = total / n if n else None
    return numbers.token_means[key]

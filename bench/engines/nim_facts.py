"""What a NIM says in its log, metrics, documents and labels, of itself and of the engine inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench.engines.base import FailurePattern, LogPattern
from bench.engines.facts import log_facts, normalised, pattern
from bench.engines.sglang import Sglang
from bench.engines.vllm import Vllm
from bench.vocabulary import FailureKind, Mark

LOG_LINES: tuple[LogPattern, ...] = (
    pattern(
        Mark.PROFILE_SELECTED, r"Selected profile:\s*(?P<profile_id>[0-9a-f]{64})(?: \((?P<profile_name>[^)]+)\))?"
    ),
    *Vllm.log_patterns,
    *Sglang.log_patterns,
)
FAILURES: tuple[FailurePattern, ...] = (
    FailurePattern(
        FailureKind.NO_COMPATIBLE_PROFILE,
        re.compile(r"Could not find a profile that is currently runnable.*"),
        "Run `list-model-profiles` in this image on this GPU.",
    ),
    *Vllm.failure_patterns,
)
METRIC_NAMES: Mapping[str, str] = {**Vllm.metric_names, **Sglang.metric_names}


def effective_facts(documents: Mapping[str, str]) -> dict[str, Any]:
    """All that is known, under the names that every engine uses."""
    return normalised(log_facts(LOG_LINES, documents.get("log")))

"""Values with a unit, as people write them: `60s`, `2m`, `5%`. A number without its unit is refused."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bench.metric_names import METRICS
from bench.scenario.problems import did_you_mean

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_S = 30 * 24 * 3600.0
_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LARGEST_BYTES = 1 << 50
_FASTEST_BITS_PER_S = 1e12
_SIZE = re.compile(r"(\d{1,9})([kmgtKMGT])")
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)")
_BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_RATE = re.compile(r"(\d+(?:\.\d+)?) ?(kbit|mbit|gbit)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


def seconds(value: Any) -> float:
    """`500ms`, `60s`, `2m`, `1h` in seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match and (duration_s := round(float(match[1]) * _SECONDS[match[2]], 9)) <= _LONGEST_S:
        return duration_s
    if match:
        raise _wrong("wrong value", f"at most {_LONGEST_S / _SECONDS['h']:g}h", None)
    repair = f"write {value}s" if isinstance(value, int | float) and not isinstance(value, bool) else "write 60s"
    raise _wrong("wrong unit", "a number with its unit: ms, s, m or h, e.g. 60s", repair)


def positive_seconds(value: Any) -> float:
    """A duration above zero."""
    duration_s = seconds(value)
    if duration_s <= 0:
        raise _wrong("wrong value", "more than 0s", "write 60s")
    return duration_s


def share(value: Any) -> float:
    """`5%` as 0.05."""
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match and 0 < float(match[1]) <= 100:
        return float(match[1]) / 100
    raise _wrong("wrong unit", "a percentage above 0%, e.g. 5%", "write 5%")


def size_bytes(value: Any) -> int:
    """`16g`, `512m` in bytes, powers of 1024 as Docker counts them; a number without its unit is refused."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match and (size := int(match[1]) * _BYTES[match[2].lower()]) <= _LARGEST_BYTES:
        return size
    raise _wrong("wrong unit", "a whole number with its unit: k, m, g or t, e.g. 16g", "write 16g")


def bits_per_s(value: Any) -> float:
    """`100mbit`, `1gbit` in bits per second, powers of 1000 as networks are sold; no unit is refused."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match and 0 < (rate := float(match[1]) * _BITS[match[2]]) <= _FASTEST_BITS_PER_S:
        return rate
    raise _wrong("wrong unit", "a number with its unit: kbit, mbit or gbit (per second), e.g. 1gbit", "write 1gbit")


def iso_date(value: Any) -> str:
    """`2026-12-31`: a day that exists, written in full."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:  # no such day
            raise _wrong("wrong date", "a day that exists, e.g. 2026-12-31", None) from None
    raise _wrong("wrong date", "year-month-day, e.g. 2026-12-31", None)


def metric(value: Any) -> str:
    """A name of the closed list."""
    if value in METRICS:
        return str(value)
    repair = did_you_mean(str(value), METRICS)
    raise _wrong("unknown metric", "one of " + ", ".join(METRICS), repair)


def limit(name: str, value: Any) -> float:
    """The limit of a metric, in the metric's own unit: a duration, a percentage or a plain number."""
    if name.endswith("_s") and not name.endswith("_per_s"):
        return positive_seconds(value)
    if name.endswith("_ratio"):
        return share(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise _wrong("wrong value", "a number above 0", None)


def text(value: Any) -> str:
    """A word of a command line; whole and decimal numbers are taken as they are written."""
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _wrong("wrong type", "text", "put it in quotes")


def address(value: Any) -> str:
    """Where a server listens: scheme, host and port, nothing else."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        is_plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket left open
        is_plain = is_whole = False
    if is_plain and is_whole:
        return f"{parts.scheme}://{parts.netloc}"
    raise _wrong("wrong address", "http://host:port without a path", "e.g. http://127.0.0.1:8000")


def _wrong(problem: str, expected: str, repair: str | None) -> PydanticCustomError:
    return PydanticCustomError("nimbench", "{problem}", {"problem": problem, "expected": expected, "repair": repair})


_DURATION_SCHEMA = {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["60s", "2m", "500ms"]}
_SHARE_SCHEMA = {"type": "string", "pattern": f"^{_SHARE.pattern}$", "examples": ["5%"]}

Duration = Annotated[float, BeforeValidator(seconds), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[float, BeforeValidator(positive_seconds), WithJsonSchema(_DURATION_SCHEMA)]
Share = Annotated[float, BeforeValidator(share), WithJsonSchema(_SHARE_SCHEMA)]
Size = Annotated[
    int,
    BeforeValidator(size_bytes),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["16g"]}),
]
Bandwidth = Annotated[
    float,
    BeforeValidator(bits_per_s),
    WithJsonSchema({"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["1gbit", "100mbit"]}),
]
Date = Annotated[
    str,
    BeforeValidator(iso_date),
    WithJsonSchema({"type": "string", "pattern": f"^{_DATE.pattern}$", "examples": ["2026-12-31"]}),
]
Metric = Annotated[str, BeforeValidator(metric), WithJsonSchema({"type": "string", "enum": list(METRICS)})]
Address = Annotated[str, BeforeValidator(address), WithJsonSchema({"type": "string", "pattern": "^https?://[^/]+/?$"})]
Text = Annotated[str, BeforeValidator(text), WithJsonSchema({"type": ["string", "number"]})]

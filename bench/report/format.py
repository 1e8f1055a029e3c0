"""Numbers and foreign text as a person reads them: the only place where units change.

The digits shown follow the interval: a number ends where its uncertainty begins. None is "not known", never 0.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNKNOWN = "not known"
THIN = "\u202f"  # narrow no-break space between thousands
_MINUS = "\u2212"
_TEXT_LIMIT = 300  # characters of foreign text in one cell
_MOST_DECIMALS = 4
_NEAR_ONE = (0.8, 1.25)  # where the third decimal of a ratio matters


@dataclass(frozen=True, slots=True)
class Scale:
    """How a unit of the records is shown: multiply by `factor`, write `unit`."""

    factor: float
    unit: str


# unit in the records -> (least size, scale), largest first
_LADDERS: dict[str, tuple[tuple[float, Scale], ...]] = {
    "s": ((1.0, Scale(1.0, "s")), (1e-3, Scale(1e3, "ms")), (0.0, Scale(1e6, "µs"))),
    "bytes": (
        (2.0**30, Scale(2.0**-30, "GiB")),
        (2.0**20, Scale(2.0**-20, "MiB")),
        (2.0**10, Scale(2.0**-10, "KiB")),
        (0.0, Scale(1.0, "bytes")),
    ),
    "bit/s": ((1e9, Scale(1e-9, "Gbit/s")), (1e6, Scale(1e-6, "Mbit/s")), (0.0, Scale(1e-3, "kbit/s"))),
    "J": ((1e3, Scale(1e-3, "kJ")), (1.0, Scale(1.0, "J")), (0.0, Scale(1e3, "mJ"))),
    "ratio": ((0.0, Scale(1e2, "%")),),
    "1": ((0.0, Scale(1.0, "")),),
}
GIB = Scale(2.0**-30, "GiB")
GB = Scale(1e-9, "GB")  # where seconds per gigabyte stand beside it
POINTS = Scale(1e2, "%-points")  # a difference of two shares


def scale_for(unit: str, values: Iterable[float | None]) -> Scale:
    """One scale for numbers that stand beside each other: the one that suits the largest."""
    largest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=1.0)
    for least, scale in _LADDERS.get(unit, ()):
        if largest >= least:
            return scale
    return Scale(1.0, unit)


def decimals_for(value: float, interval: Sequence[float] | None) -> int:
    """Decimals so that the interval's half width keeps one digit, or two when it begins with 1 or 2.

    The value keeps two digits at least; three without an interval.
    """
    half = (interval[1] - interval[0]) / 2 if interval else 0.0
    known = value != 0 and math.isfinite(value)
    lead = math.floor(math.log10(abs(value))) if known else 0
    if half > 0 and math.isfinite(half):
        exponent = math.floor(math.log10(half))
        keep = 1 if half / 10**exponent < 3 else 0
        return min(_MOST_DECIMALS, max(0, keep - exponent, 1 - lead if known else 0))
    return min(_MOST_DECIMALS, max(0, 2 - lead)) if known else 0


def number(value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
    """A bare number: three significant digits unless `decimals` says otherwise; thin spaces between thousands."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return f"{_MINUS if value < 0 else ''}∞"
    places = decimals_for(value, None) if decimals is None else decimals
    text = f"{value:{'+' if sign else ''},.{places}f}"
    return text.replace(",", THIN).replace("-", _MINUS)


def quantity(
    value: float | None,
    unit: str,
    *,
    ci: Sequence[float] | None = None,
    scale: Scale | None = None,
    decimals: int | None = None,
    sign: bool = False,
) -> str:
    """A number with its unit, such as `12.3 ms`; `sign` writes a plus before what is above 0."""
    if value is None or math.isnan(value):
        return UNKNOWN
    chosen = scale or scale_for(unit, (value,))
    places = scaled_decimals(value, ci, chosen) if decimals is None else decimals
    return _with_unit(number(value * chosen.factor, places, sign=sign and value != 0), chosen)


def scaled_decimals(value: float, ci: Sequence[float] | None, scale: Scale) -> int:
    """Decimals of a value once it is scaled."""
    return decimals_for(value * scale.factor, [end * scale.factor for end in ci] if ci else None)


def exact(value: float | None, unit: str, *, scale: Scale | None = None) -> str:
    """A number that somebody chose, with no more digits than it was given: `8 s`, `5 %`."""
    if value is None:
        return UNKNOWN
    chosen = scale or scale_for(unit, (value,))
    return _with_unit(f"{value * chosen.factor:.10g}".replace("-", _MINUS), chosen)


def interval(ci: Sequence[float] | None, unit: str, *, scale: Scale | None = None, decimals: int | None = None) -> str:
    """Both ends with one unit, such as `[12.1, 12.6] ms`."""
    if not ci:
        return UNKNOWN
    chosen = scale or scale_for(unit, ci)
    ends = [end * chosen.factor for end in ci]
    places = decimals_for(max(map(abs, ends)), ends) if decimals is None else decimals
    return _with_unit(f"[{number(ends[0], places)}, {number(ends[1], places)}]", chosen)


def _with_unit(text: str, scale: Scale) -> str:
    return f"{text}\u00a0{scale.unit}" if scale.unit else text


def ratio(value: float | None, ci: Sequence[float] | None = None) -> str:
    """A ratio, `1.034`; its digits follow the interval, three decimals at least near 1 and two elsewhere."""
    if value is None:
        return UNKNOWN
    return number(value, _ratio_decimals(value, ci))


def ratio_interval(value: float | None, ci: Sequence[float] | None) -> str:
    """The ends of a ratio's interval with the digits of the ratio, `[0.998, 1.072]`."""
    if not ci:
        return UNKNOWN
    places = _ratio_decimals(1.0 if value is None else value, ci)
    return f"[{number(ci[0], places)}, {number(ci[1], places)}]"


def _ratio_decimals(value: float, ci: Sequence[float] | None) -> int:
    return max(3 if _NEAR_ONE[0] <= value <= _NEAR_ONE[1] else 2, decimals_for(value, ci))


def percent(share: float | None) -> str:
    """A share of one as per cent with two digits, `3.4 %`."""
    if share is None:
        return UNKNOWN
    places = max(0, 1 - math.floor(math.log10(abs(share) * 100))) if share else 0
    return quantity(share, "ratio", decimals=min(_MOST_DECIMALS, places))


def duration(seconds: float | None) -> str:
    """A length of time in words, `3 min 20 s`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return quantity(seconds, "s")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def safe_text(text: object, limit: int = _TEXT_LIMIT) -> str:
    """Foreign text made harmless to look at: no control or direction characters, bounded. Escaping is the page's."""
    raw = str(text)
    kept = "".join(_visible(char) for char in raw[: limit + 1])
    return kept if len(raw) <= limit else f"{kept[:limit]}… ({len(raw) - limit} more characters)"


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    return "\ufffd" if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} else char

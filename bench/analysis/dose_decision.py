"""What a run with a dose answers: the price of a gigabyte. Its arms are doses, so it chooses none of them."""

from __future__ import annotations

from bench.analysis.metrics import BY_NAME
from bench.conclusion import Decision, DoseResponse, Slope

_OF_ALL = "pull_to_first_token_s"
_KINDS = {"wire": "on the wire", "disk": "on the disk"}


def priced(found: DoseResponse | None) -> Decision | None:
    """None where no slope was found: then the decision says what is missing."""
    if found is None or not found.slopes:
        return None
    slopes = {slope.metric: slope for slope in found.slopes}
    first = slopes.get(_OF_ALL, found.slopes[0])
    return Decision(
        arms=(),
        state="unknown",
        side="none",
        sentence=f"{_told(first)}, in images like those of the series. "
        "The arms are doses of bytes: none of them is to be chosen.",
        because=tuple(f"{_told(slope)}, from {slope.s_per_gb.n} blocks." for slope in found.slopes if slope != first),
    )


def _told(slope: Slope) -> str:
    price, ci = slope.s_per_gb, slope.s_per_gb.ci95
    interval = f"95 % CI {ci[0]:.3g} to {ci[1]:.3g} s" if ci else "one block, no interval"
    return f"{BY_NAME[slope.metric].label}: {price.value:.3g} s for each gigabyte {_KINDS[slope.per]} ({interval})"

"""What one metric is: its name, unit and direction, the change that matters, and how it comes from the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.analysis.rows import StageRows
from bench.vocabulary import Better, Kind

if TYPE_CHECKING:
    from bench.anatomy import ImageContents
    from bench.store.reader import LaunchData


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table. `margin` is the smallest change that matters: a ratio - 1, or the unit for a difference."""

    name: str
    label: str
    unit: str
    better: Better
    margin: float
    definition: str
    kind: Kind = Kind.SAMPLED
    least_rows: int = 1
    of_stage: Callable[[StageRows], float | None] | None = None
    of_launch: Callable[[LaunchData], float | None] | None = None
    of_image: Callable[[ImageContents], float | None] | None = None
    only_where_known: bool = False  # a run in which no launch has it does not speak of it
    # `as primary`: says what another metric says, which is compared; `never`: is no property of an arm. Values stay.
    compared: Literal["always", "as primary", "never"] = "always"

    @property
    def scope(self) -> Literal["stage", "launch", "image"]:
        """Whether a launch has one value per stage, or one; or an arm has one, whatever its launches did."""
        return "stage" if self.of_stage else "launch" if self.of_launch else "image"

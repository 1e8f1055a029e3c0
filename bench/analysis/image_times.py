"""How long an image took on its way to a launch: build, push, download, unpacking, and the start after it.

Only a launch whose image was brought for it alone has these times: what was there before cost it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bench.container import LayerTimes
from bench.record import Launch
from bench.vocabulary import Mark


def build_s(launch: Launch) -> float | None:
    """The build, no step of it from a cache."""
    build = launch.image.build if launch.image else None
    return build.wall_s if build and build.cold else None


def push_s(launch: Launch) -> float | None:
    """The push to the registry."""
    push = launch.image.push if launch.image else None
    return push.wall_s if push else None


def pull_s(launch: Launch) -> float | None:
    """The whole pull."""
    pull = launch.image.pull if launch.image else None
    return pull.wall_s if pull else None


def download_s(launch: Launch) -> float | None:
    """From the order to pull until the last layer had come down."""
    pull = launch.image.pull if launch.image else None
    return pull.downloaded_s if pull else None


def extract_s(launch: Launch) -> float | None:
    """The time in which at least one layer was being unpacked; None where a layer that came has no such times."""
    pull = launch.image.pull if launch.image else None
    came = [layer for layer in pull.layers if not layer.already_present] if pull else []
    spans = [span for layer in came if (span := _span(layer))]
    return covered_s(spans) if spans and len(spans) == len(came) else None


def start_to_first_token_s(launch: Launch) -> float | None:
    """The start with the image on the host."""
    marks = launch.marks
    known = Mark.CREATED in marks and Mark.FIRST_TOKEN in marks
    return marks[Mark.FIRST_TOKEN] - marks[Mark.CREATED] if known else None


def pull_to_first_token_s(launch: Launch) -> float | None:
    """The pull and the start after it; what the suite itself does between the two is in neither."""
    pull, start = pull_s(launch), start_to_first_token_s(launch)
    return pull + start if pull is not None and start is not None else None


TIMES: Mapping[str, Callable[[Launch], float | None]] = {
    time.__name__: time
    for time in (build_s, push_s, download_s, extract_s, pull_s, start_to_first_token_s, pull_to_first_token_s)
}  # metric -> what a launch says of it


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """The length of what the spans cover together: an engine may unpack several layers at once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _span(layer: LayerTimes) -> tuple[float, float] | None:
    """A layer so small that the engine never said when its unpacking began takes no time."""
    end, start = layer.extract_end_s, layer.extract_start_s
    return None if end is None else (end if start is None else min(start, end), end)

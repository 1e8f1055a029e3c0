"""The rows of the table of metrics that speak of an arm's image."""

from __future__ import annotations

from bench.analysis.image_times import TIMES
from bench.analysis.metric import Metric
from bench.vocabulary import Better, Kind

_MARGIN = 0.20  # as for a cold start, of which these are the parts
_BYTES_MARGIN = 0.05


def _time(name: str, label: str, definition: str) -> Metric:
    of = TIMES[name]
    return Metric(
        name=name,
        label=label,
        unit="s",
        better=Better.LOWER,
        margin=_MARGIN,
        of_launch=lambda data: of(data.launch),
        only_where_known=True,
        definition=f"{definition} Known where the image was brought for each launch alone.",
    )


IMAGE_METRICS: tuple[Metric, ...] = (
    _time("build_s", "Build", "The build of the arm's image with no step from a cache; its base was there."),
    _time(
        "push_s",
        "Push",
        "The push of the built image to the registry, with the compression that it begins with; layers that the "
        "registry has are not sent.",
    ),
    _time(
        "pull_s",
        "Pull",
        "From the order to pull the image until the engine said that it was there; layers of a base that the host has "
        "are not fetched.",
    ),
    _time("download_s", "Download", "From the order to pull until the last layer had come down."),
    _time(
        "extract_s",
        "Unpacking",
        "The time in which at least one layer was being unpacked. It may overlap the download of other layers, so the "
        "two do not add up to the pull.",
    ),
    _time(
        "pull_to_first_token_s",
        "Pull to first token",
        "The pull plus the start to first token after it; what the suite itself does between the two is left out.",
    ),
    Metric(
        name="image_wire_bytes",
        label="Image, compressed",
        unit="bytes",
        better=Better.LOWER,
        margin=_BYTES_MARGIN,
        kind=Kind.EXACT,
        of_image=lambda contents: contents.anatomy.wire_bytes,
        only_where_known=True,
        definition="What a registry sends of the arm's image: its compressed layers and its config, for one platform. "
        "Weights that a volume holds are not in it.",
    ),
    Metric(
        name="image_disk_bytes",
        label="Image on disk",
        unit="bytes",
        better=Better.LOWER,
        margin=_BYTES_MARGIN,
        kind=Kind.EXACT,
        of_image=lambda contents: contents.anatomy.disk_bytes,
        only_where_known=True,
        definition="The content of the files of all layers together, as the layers have them: hard links once, files "
        "that a later layer hides as well. Not the size that `docker images` shows, which differs between engines.",
    ),
)

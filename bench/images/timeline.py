"""A pull's events as layers with times. Pure: events in, LayerTimes out.

The classic store reports bytes while it extracts. The containerd store (Docker 29's default) looks ten times a second,
reports whole seconds while it extracts, counted from 1, and may call the download of a layer "Pulling layer fs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.container import LayerTimes

_LAYER = re.compile(r"[0-9a-f]{12}")
_DOWNLOADING = frozenset({"Downloading", "Pulling layer fs"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class PullTimeline:
    """Feed it every event with the seconds since the pull began."""

    def __init__(self) -> None:
        self._layers: dict[str, LayerTimes] = {}
        self._got: dict[str, int] = {}  # bytes that came down so far
        self.error: str | None = None
        self.digest: str | None = None

    def feed(self, event: Mapping[str, Any], at_s: float) -> None:
        """Take in one event; what is unknown changes nothing."""
        if error := event.get("error"):
            detail = event.get("errorDetail")
            self.error = str(detail.get("message") or error) if isinstance(detail, dict) else str(error)
            return
        status, name = str(event.get("status", "")), str(event.get("id", ""))
        if status.startswith("Digest:") and (found := _DIGEST.search(status)):
            self.digest = found[0]
        elif _LAYER.fullmatch(name):
            layer = self._layers.get(name, LayerTimes(id=name))
            detail = event.get("progressDetail")
            self._layers[name] = self._moved(layer, status, detail if isinstance(detail, dict) else {}, at_s)

    @property
    def layers(self) -> tuple[LayerTimes, ...]:
        """In the order in which they were first named."""
        return tuple(self._layers.values())

    @property
    def downloaded_s(self) -> float | None:
        """When the last layer had come down; None when none was fetched."""
        ends = [layer.download_end_s for layer in self._layers.values() if layer.download_end_s is not None]
        return max(ends, default=None)

    @property
    def state(self) -> tuple[int, int, int]:
        """(layers that are here, layers named, bytes that came down)."""
        here = sum(layer.already_present or layer.extract_end_s is not None for layer in self._layers.values())
        return here, len(self._layers), sum(self._got.values())

    def _moved(self, layer: LayerTimes, status: str, detail: Mapping[str, Any], at_s: float) -> LayerTimes:
        if status in _DOWNLOADING:
            return self._downloading(layer, detail, at_s)
        if status == "Download complete":
            self._got[layer.id] = layer.bytes or self._got.get(layer.id, 0)
            return replace(layer, download_end_s=at_s) if layer.download_end_s is None else layer
        if status == "Already exists":
            return replace(layer, already_present=layer.download_end_s is None)
        if status == "Extracting":
            return _extracting(layer, detail, at_s)
        if status == "Pull complete":
            return replace(layer, extract_end_s=at_s)
        return layer  # Pulling fs layer, Waiting, Verifying Checksum, Retrying in 5 seconds …

    def _downloading(self, layer: LayerTimes, detail: Mapping[str, Any], at_s: float) -> LayerTimes:
        total, current = _count(detail.get("total")), _count(detail.get("current"))
        self._got[layer.id] = max(current or 0, self._got.get(layer.id, 0))
        if layer.download_start_s is None:
            layer = replace(layer, download_start_s=at_s)
        return replace(layer, bytes=total) if total else layer


def _extracting(layer: LayerTimes, detail: Mapping[str, Any], at_s: float) -> LayerTimes:
    """The classic store writes a byte count, the containerd store the seconds that it has been at it, plus one."""
    if layer.extract_start_s is not None:
        return layer
    passed_s = (_count(detail.get("current")) or 1) - 1 if detail.get("units") == "s" else 0
    least_s = layer.download_end_s or 0.0
    return replace(layer, extract_start_s=max(least_s, at_s - passed_s))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

"""Layers laid over each other: what a container sees, and what lies below it unseen.

Overlay's rules: a later layer's file, link or device hides the same path and all below it; a folder merges with a
folder; a whiteout deletes a path, an opaque folder all that lower layers put into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bench.anatomy import WastedPath
from bench.images.anatomy.entries import Entry, EntryKind, LayerContents, Visible

WASTED = 50  # of the largest that are named
_MARKS = (EntryKind.WHITEOUT, EntryKind.OPAQUE)


class Hider(NamedTuple):
    """Who hides an entry: the first layer above it that does, and by which path."""

    layer: int
    path: str


@dataclass(frozen=True, slots=True)
class Stack:
    """All entries, told apart."""

    visible: Visible
    hidden: list[tuple[Entry, Hider]]


def lay_over(layers: Sequence[LayerContents]) -> Visible:
    """What a container of these layers sees, from the base up."""
    return stack(layers).visible


def efficiency(layers: Sequence[LayerContents]) -> tuple[float, int, tuple[WastedPath, ...]]:
    """What `efficiency_of` says of these layers."""
    return efficiency_of(layers, stack(layers))


def efficiency_of(layers: Sequence[LayerContents], found: Stack) -> tuple[float, int, tuple[WastedPath, ...]]:
    """Dive's score; the bytes that no container sees; and the paths that hide the most of them.

    Score: over all paths that are files, links or whiteouts, the smallest size a path ever has, divided by its sizes in
    all layers together. A whiteout has the size 0, or what its folder held. Dive (filetree/efficiency.go) therefore
    does not lower the score for a folder deleted as a whole, and its "wasted" adds up all copies; here `wasted_bytes`
    is without the copy that is seen: disk bytes of all layers less those of the container.
    """
    return _score(layers, found), sum(entry.disk_bytes for entry, _ in found.hidden), _wasted(found)


def stack(layers: Sequence[LayerContents]) -> Stack:
    """From the top down: each layer is held against what those above it claim."""
    cover = _Cover()
    visible, hidden = Visible(), list[tuple[Entry, Hider]]()
    for layer in reversed(layers):
        cover.begin()
        for entry in layer.entries:
            hider = None if entry.kind in _MARKS else cover.hider(entry)
            if hider is not None:
                hidden.append((entry, hider))
            elif entry.kind in (EntryKind.FILE, EntryKind.HARDLINK, EntryKind.SYMLINK):
                visible.files[entry.path] = entry
                _carry(visible, layer, entry.path, entry.path)
        cover.add(layer)
    return Stack(visible, _through_links(visible, hidden, {layer.index: layer for layer in layers}))


def _through_links(
    visible: Visible, hidden: list[tuple[Entry, Hider]], layers: dict[int, LayerContents]
) -> list[tuple[Entry, Hider]]:
    """A hidden file that a visible hard link still names is seen through the first such link."""
    links: dict[tuple[int, str], str] = {}
    for entry in visible.files.values():
        if entry.kind is EntryKind.HARDLINK:
            links.setdefault((entry.layer, entry.link), entry.path)
    kept: list[tuple[Entry, Hider]] = []
    for entry, hider in hidden:
        path = links.get((entry.layer, entry.path)) if entry.kind is EntryKind.FILE else None
        if path is None:
            kept.append((entry, hider))
            continue
        visible.files[path] = replace(entry, path=path)
        _carry(visible, layers[entry.layer], entry.path, path)
    return kept


def _carry(visible: Visible, layer: LayerContents, path: str, to: str) -> None:
    if path in layer.kept:
        visible.kept[to] = layer.kept[path]
    if path in layer.scanned:
        visible.scanned[to] = layer.scanned[path]


@dataclass(slots=True)
class _Cover:
    """What the layers above claim: path -> the lowest of them that does."""

    at: dict[str, int] = field(default_factory=dict)  # hides the path itself
    below: dict[str, int] = field(default_factory=dict)  # hides what lies below the path
    folders: dict[str, int] = field(default_factory=dict)  # hides the path where it is no folder
    _known: dict[str, Hider | None] = field(default_factory=dict)

    def begin(self) -> None:
        """Before a layer: what was found out for the one above no longer holds."""
        self._known = {"": Hider(self.below[""], "") if "" in self.below else None}

    def hider(self, entry: Entry) -> Hider | None:
        """The first layer above that hides it."""
        found = [self._above(_parent(entry.path))] if entry.path else []
        if entry.path in self.at:
            found.append(Hider(self.at[entry.path], entry.path))
        if entry.kind is not EntryKind.FOLDER and entry.path in self.folders:
            found.append(Hider(self.folders[entry.path], entry.path))
        return _first(found)

    def add(self, layer: LayerContents) -> None:
        """The claims of one layer more, which lies below all others."""
        for entry in layer.entries:
            if entry.kind is EntryKind.FOLDER:
                self.folders[entry.path] = layer.index
            elif entry.kind is not EntryKind.OPAQUE:
                self.at[entry.path] = layer.index
            if entry.kind is not EntryKind.FOLDER:
                self.below[entry.path] = layer.index
            self._add_parents(entry, layer.index)

    def _add_parents(self, entry: Entry, index: int) -> None:
        path = _parent(entry.path)
        while path and self.folders.get(path) != index:
            self.folders[path] = index
            path = _parent(path)

    def _above(self, folder: str) -> Hider | None:
        """Whoever hides all that lies in this folder; of several in one layer the highest folder."""
        unknown = []
        while folder not in self._known:
            unknown.append(folder)
            folder = _parent(folder)
        found = self._known[folder]
        for path in reversed(unknown):
            own = Hider(self.below[path], path) if path in self.below else None
            found = self._known[path] = _first([found, own])
        return found


def _first(hiders: Sequence[Hider | None]) -> Hider | None:
    """The one in the lowest layer; of equals the earlier in the list."""
    return min((hider for hider in hiders if hider is not None), key=lambda hider: hider.layer, default=None)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _score(layers: Sequence[LayerContents], found: Stack) -> float:
    """Smallest sizes over all sizes, path by path."""
    removed: dict[Hider, int] = defaultdict(int)
    for entry, hider in found.hidden:
        if entry.path != hider.path:
            removed[hider] += entry.disk_bytes
    smallest: dict[str, int] = {}
    total = 0
    for entry, size in _sizes(layers, removed):
        smallest[entry.path] = min(smallest.get(entry.path, size), size)
        total += size
    return sum(smallest.values()) / total if total else 1.0


def _sizes(layers: Sequence[LayerContents], removed: dict[Hider, int]) -> Iterator[tuple[Entry, int]]:
    for layer in layers:
        for entry in layer.entries:
            if entry.kind is EntryKind.WHITEOUT:
                yield entry, removed[Hider(layer.index, entry.path)]
            elif entry.kind not in (EntryKind.FOLDER, EntryKind.OPAQUE):
                yield entry, entry.disk_bytes


def _wasted(found: Stack) -> tuple[WastedPath, ...]:
    """By the path that hides: a file written again, or a folder deleted with all that was in it."""
    lost: dict[str, int] = defaultdict(int)
    at: dict[str, set[int]] = defaultdict(set)
    for entry, hider in found.hidden:
        lost[hider.path] += entry.disk_bytes
        at[hider.path] |= {entry.layer, hider.layer}
    largest = sorted(lost.items(), key=lambda item: (-item[1], item[0]))[:WASTED]
    return tuple(
        WastedPath(path=path or "/", copies=len(at[path]), wasted_bytes=size, layers=tuple(sorted(at[path])))
        for path, size in largest
        if size
    )

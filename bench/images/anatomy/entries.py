"""What the parts of this room hand to each other: files of layers, and what was read out of them. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class EntryKind(Enum):
    """What a member of a layer is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"  # to `link`, which is in the same layer or below; occupies nothing
    OTHER = "other"  # a device or a pipe
    WHITEOUT = "whiteout"  # deletes `path` and all below it from lower layers
    OPAQUE = "opaque"  # deletes everything below `path` from lower layers


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. Paths have no leading slash, no `.` and no `..`."""

    path: str
    kind: EntryKind
    layer: int  # from the base up, from 0
    disk_bytes: int = 0
    wire_bytes: int | None = None  # its share of the compressed stream; None = not known
    link: str = ""  # target of a link, as it stands in the layer
    mode: int = 0


class Scanner(Protocol):
    """Looks at one file's bytes as they pass, and keeps only what it finds."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""

    def found(self) -> Mapping[str, int]:
        """What there is, after the last byte: GPU architecture -> bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Of which files more than the name is wanted."""

    keep: Callable[[str], int] = lambda _path: 0  # path -> most bytes to keep of its content; 0 = none
    scanner: Callable[[str, int], Scanner | None] = lambda _path, _size: None  # (path, size) -> who looks at it


@dataclass(slots=True, kw_only=True)
class LayerContents:
    """One layer, read once."""

    index: int
    diff_id: str  # of the bytes that were read
    tar_bytes: int = 0
    wire_bytes: int | None = None  # compressed bytes of the stream that was read, or what they would be
    entries: list[Entry] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)  # path -> content
    scanned: dict[str, Mapping[str, int]] = field(default_factory=dict)  # path -> what its scanner found
    doubts: list[str] = field(default_factory=list)  # hostile or broken members, in words; bounded


@dataclass(slots=True, kw_only=True)
class Visible:
    """What a container sees: all layers laid over each other. Contents of files that a later layer hides are gone."""

    files: dict[str, Entry] = field(default_factory=dict)  # path -> regular file, hard link or symbolic link
    kept: dict[str, bytes] = field(default_factory=dict)
    scanned: dict[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Ownership:
    """Which package put which file there."""

    packages: list[tuple[str, str, str]] = field(default_factory=list)  # (manager, name, version)
    owner: dict[str, int] = field(default_factory=dict)  # path -> index into packages

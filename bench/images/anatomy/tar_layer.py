"""One layer, read once from its stream: what each member is, what was asked to be kept of it, and what is doubtful.

Nothing is written to a disk and no link is followed, so a hostile tar can only be wrong: it is told, in `doubts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import InputError
from bench.images.anatomy.compression import Piece
from bench.images.anatomy.entries import Entry, EntryKind, Interest, LayerContents
from bench.images.anatomy.tar_stream import Member, TarStream

PATH_BYTES = 4096  # PATH_MAX of Linux: no container can open a longer one
DOUBTS = 50  # of one layer

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_OTHER_MARKS = ".wh..wh."  # what the old AUFS driver left for itself
_KINDS = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"S": EntryKind.FILE,
    b"1": EntryKind.HARDLINK,
    b"2": EntryKind.SYMLINK,
    b"3": EntryKind.OTHER,
    b"4": EntryKind.OTHER,
    b"5": EntryKind.FOLDER,
    b"6": EntryKind.OTHER,
}


@dataclass(slots=True)
class Budget:
    """What all layers of one image may take of this host's memory: a small stream can hold millions of names."""

    members: int = 2_000_000  # the largest images of this field have 0.3 million
    name_bytes: int = 2_000_000_000  # each path, times the folders in it, which are names too
    kept_bytes: int = 256 << 20

    def charge(self, path: str, link: str) -> None:
        """One member more; InputError when there are too many."""
        self.members -= 1
        self.name_bytes -= len(path) * (path.count("/") + 1) + len(link)
        if self.members < 0 or self.name_bytes < 0:
            raise InputError(
                "an image of more files, or of longer names, than any host would unpack",
                expected=f"at most {Budget().members} members",
            )


def read_layer(
    pieces: Iterable[Piece], *, index: int, interest: Interest | None = None, budget: Budget | None = None
) -> LayerContents:
    """Read to the end, also behind what is broken: the diff id is of all bytes. InputError past the image's budget."""
    return _Reading(TarStream(pieces), index, interest or Interest(), budget or Budget()).done()


class _Reading:
    def __init__(self, tar: TarStream, index: int, interest: Interest, budget: Budget) -> None:
        self._tar, self._interest, self._budget = tar, interest, budget
        self._contents = LayerContents(index=index, diff_id="")
        self._entries: dict[tuple[str, EntryKind | None], Entry] = {}
        self._untold = 0

    def done(self) -> LayerContents:
        contents = self._contents
        try:
            self._read_members()
            if not self._tar.drain():
                self._doubt("data follows the end of the archive; no container sees it")
        except ValueError as error:
            self._doubt(f"{error}: what follows is not known")
            self._drain()
        contents.entries = list(self._entries.values())
        contents.diff_id, contents.tar_bytes = self._tar.diff_id(), self._tar.read_bytes
        contents.wire_bytes = self._tar.wire_now()
        if self._untold:
            contents.doubts.append(f"and {self._untold} more")
        return contents

    def _drain(self) -> None:
        try:
            self._tar.drain()
        except ValueError as error:
            self._doubt(str(error))

    def _read_members(self) -> None:
        for member in self._tar.members():
            self._budget.charge(member.path, member.link)
            self._read(member)

    def _read(self, member: Member) -> None:
        path = self._clean(member.path)
        kind = _KINDS.get(member.kind)
        if kind is None:
            self._doubt(f"{_short(member.path)}: a member of type {member.kind!r}, which containers do not get")
        if not path or kind is None:
            return
        path, kind = _mark(path, kind)
        if kind is not None:
            self._add(path, kind, member)

    def _add(self, path: str, kind: EntryKind, member: Member) -> None:
        disk_bytes = self._data(path, member) if kind is EntryKind.FILE else 0
        self._tar.skip_data()
        link = member.link[:PATH_BYTES] if kind in (EntryKind.SYMLINK, EntryKind.HARDLINK) else ""
        if kind is EntryKind.HARDLINK:
            link = self._clean(link)
        entry = Entry(
            path=path,
            kind=kind,
            layer=self._contents.index,
            disk_bytes=disk_bytes,
            wire_bytes=self._tar.wire_now() - member.wire_start,
            link=link,
            mode=member.mode & 0o7777,
        )
        mark = kind if kind in (EntryKind.WHITEOUT, EntryKind.OPAQUE) else None
        before = self._entries.pop((path, mark), None)
        if before is not None and before.kind is not EntryKind.FOLDER:
            self._doubt(f"{_short(path)}: more than once in the layer; the last one counts")
        self._entries[path, mark] = entry

    def _data(self, path: str, member: Member) -> int:
        """Reads the content past a scanner, and keeps what was asked for; how many bytes there were."""
        self._contents.kept.pop(path, None)
        self._contents.scanned.pop(path, None)
        if member.real_bytes is not None and member.real_bytes > member.size_bytes:
            self._doubt(f"{_short(path)}: sparse; declares {member.real_bytes} bytes, has {member.size_bytes}")
        room = min(self._interest.keep(path), self._budget.kept_bytes)
        scanner = self._interest.scanner(path, member.size_bytes)
        if room <= 0 and scanner is None:
            return self._pass_over(path, member)
        kept = bytearray()
        for chunk in self._tar.data():
            if len(kept) < room:
                kept += chunk[: room - len(kept)]
            if scanner is not None:
                scanner.feed(chunk)
        if room > 0:
            self._contents.kept[path] = bytes(kept)
            self._budget.kept_bytes -= len(kept)
        if scanner is not None and (found := scanner.found()):
            self._contents.scanned[path] = dict(found)
        return member.size_bytes

    def _pass_over(self, path: str, member: Member) -> int:
        """A declared size is believed only when the bytes are there."""
        try:
            self._tar.skip_data()
        except ValueError:
            self._doubt(f"{_short(path)}: declares {member.size_bytes} bytes, which are not there")
            raise
        return member.size_bytes

    def _clean(self, path: str) -> str:
        """Without `/` in front, `.` and empty parts; empty, with a doubt, for what points out of the image."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            self._doubt(f"{_short(path)}: points out of the image")
            return ""
        if len(path) > PATH_BYTES or "\0" in path:
            self._doubt(f"{_short(path)}: no path that a container can open")
            return ""
        return "/".join(parts)

    def _doubt(self, text: str) -> None:
        if len(self._contents.doubts) < DOUBTS:
            self._contents.doubts.append(text)
        else:
            self._untold += 1


def _mark(path: str, kind: EntryKind) -> tuple[str, EntryKind | None]:
    """What a whiteout stands for; None for a mark that means nothing."""
    folder, _, name = path.rpartition("/")
    if not name.startswith(_WHITEOUT):
        return path, kind
    if name == _OPAQUE:
        return folder, EntryKind.OPAQUE
    gone = name.removeprefix(_WHITEOUT)
    if name.startswith(_OTHER_MARKS) or gone in ("", ".", ".."):
        return path, None
    return (f"{folder}/{gone}" if folder else gone), EntryKind.WHITEOUT


def _short(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:60]}…{path[-50:]}"

"""Which package put which file into an image, what each package occupies, and what belongs to none."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from bench.anatomy import Package
from bench.images.anatomy.databases import APK, DPKG, Claim, read_databases
from bench.images.anatomy.distributions import Distribution, read_distributions
from bench.images.anatomy.entries import Entry, EntryKind, Ownership, Visible
from bench.images.anatomy.links import Links

RECORD_BYTES = 32 << 20  # of one list of files: a RECORD of 300 000 lines
TEXT_BYTES = 4 << 20
_DATABASES = {f"{DPKG}/status", f"{DPKG}/diversions", APK}
_TEXTS = {"etc/os-release", "usr/lib/os-release"}
_OF_PYTHON = ("METADATA", "PKG-INFO", "RECORD", "installed-files.txt", "top_level.txt", "direct_url.json")
_RPM = ("var/lib/rpm/", "usr/lib/sysimage/rpm/")
SITES = ("site-packages", "dist-packages")
_ALTERNATIVES = "etc/alternatives/"


def keep(path: str) -> int:
    """Most bytes to keep of the content of this file of a layer; 0: its name is enough."""
    folder, _, name = path.rpartition("/")
    if path in _DATABASES or (folder == f"{DPKG}/info" and name.endswith((".list", ".md5sums"))):
        return RECORD_BYTES
    if folder.endswith((".dist-info", ".egg-info")) and name in _OF_PYTHON:
        return RECORD_BYTES if name == "RECORD" else TEXT_BYTES
    if folder.rpartition("/")[2] == "conda-meta" and name.endswith(".json"):
        return RECORD_BYTES
    if folder == f"{DPKG}/status.d" or name.endswith(".egg-info") or name == "pyvenv.cfg" or path in _TEXTS:
        return TEXT_BYTES
    return 0


def owners(visible: Visible) -> Ownership:
    """Every visible file to at most one package. A distribution that lies inside another package is part of it."""
    book = _Book(visible)
    for claim in read_databases(visible.kept).claims:
        book.enter(claim)
    # What a site folder holds comes before what its packages carry inside.
    for one in sorted(read_distributions(visible), key=lambda one: not one.site.endswith(SITES)):
        book.install(one)
    book.follow()
    return book.ownership


def packages(visible: Visible, ownership: Ownership) -> tuple[Package, ...]:
    """What each package occupies in the final image, the largest first."""
    entries: list[list[Entry]] = [[] for _ in ownership.packages]
    for path, index in ownership.owner.items():
        entry = visible.files.get(path)
        if entry is not None and entry.kind is EntryKind.FILE:
            entries[index].append(entry)
    sources = {("pypi", one.name, one.version): one.source for one in read_distributions(visible)}
    pairs = zip(ownership.packages, entries, strict=True)
    rows = (_package(*named, owned, sources.get(named)) for named, owned in pairs)
    return tuple(sorted(rows, key=lambda row: (-row.disk_bytes, row.manager, row.name, row.version)))


def unowned(visible: Visible, ownership: Ownership) -> list[Entry]:
    """Visible files that no package manager knows. Links occupy nothing and are left out."""
    files = visible.files.items()
    return [entry for path, entry in files if entry.kind is EntryKind.FILE and path not in ownership.owner]


def ownership_doubts(visible: Visible) -> tuple[str, ...]:
    """What may own files and was not read."""
    doubts = read_databases(visible.kept).doubts
    if any(path.startswith(_RPM) for path in visible.files):
        doubts.append("the image has an RPM database, which is not read: files of its packages count as nobody's")
    return tuple(doubts)


def _package(manager: str, name: str, version: str, owned: list[Entry], source: str | None) -> Package:
    wire = [entry.wire_bytes for entry in owned if entry.wire_bytes is not None]
    return Package(
        manager=manager,
        name=name,
        version=version,
        disk_bytes=sum(entry.disk_bytes for entry in owned),
        wire_bytes=sum(wire) if len(wire) == len(owned) else None,
        files=len(owned),
        source=source,
    )


class _Book:
    """Owners while they are being found out."""

    def __init__(self, visible: Visible) -> None:
        self.files, self.links, self.ownership = visible.files, Links(visible.files), Ownership()
        self.sorted = sorted(visible.files)

    def enter(self, claim: Claim) -> None:
        """The first claim on a file holds: packages of one manager do not share files."""
        index = self._number(claim.manager, claim.name, claim.version)
        for path in self._real(claim.files):
            self.ownership.owner.setdefault(path, index)

    def install(self, one: Distribution) -> None:
        """Of an installer that came after the system's: what a RECORD names is the distribution's from then on."""
        owner, named = self.ownership.owner, self.ownership.packages
        if one.metadata in owner:
            return  # python3-yaml of Debian, or what setuptools vendors
        claimed = {one.metadata, *self._real(one.files)} if one.files else {one.metadata, *self._unlisted(one)}
        index = self._number("pypi", one.name, one.version)
        taken = (path for path in claimed if path in owner and named[owner[path]][0] == "pypi")
        owner.update(dict.fromkeys(claimed - set(taken), index))

    def _unlisted(self, one: Distribution) -> Iterable[str]:
        """The folder of its metadata, and the modules that it names."""
        folder, _, name = one.metadata.rpartition("/")
        if name in ("METADATA", "PKG-INFO"):
            yield from self._below(f"{folder}/")
        for top in one.tops:
            module = f"{one.site}/{top}".lstrip("/")
            yield from (path for path in (f"{module}.py",) if path in self.files)
            yield from self._below(f"{module}/")

    def _below(self, prefix: str) -> Iterable[str]:
        at = bisect_left(self.sorted, prefix)
        while at < len(self.sorted) and self.sorted[at].startswith(prefix):
            yield self.sorted[at]
            at += 1

    def follow(self) -> None:
        """What comes along with an owned file: its bytecode, its other names, and dpkg's records of its package."""
        owner = self.ownership.owner
        debs = {name: i for i, (manager, name, _) in enumerate(self.ownership.packages) if manager == "deb"}
        found = {path: self._along(path, debs) for path in self.files if path not in owner}
        owner.update({path: index for path, index in found.items() if index is not None})
        for path, entry in self.files.items():
            if entry.kind is EntryKind.HARDLINK and entry.link in self.files:
                one, other = (path, entry.link) if path in owner else (entry.link, path)
                if one in owner:
                    owner.setdefault(other, owner[one])

    def _along(self, path: str, debs: dict[str, int]) -> int | None:
        folder, _, name = path.rpartition("/")
        owner = self.ownership.owner
        if name.endswith(".pyc"):
            home = folder.removesuffix("__pycache__") if folder.endswith("__pycache__") else f"{folder}/"
            return owner.get(f"{home}{name.split('.', 1)[0]}.py")
        if folder == f"{DPKG}/info":
            return debs.get(name.rpartition(".")[0].partition(":")[0])
        entry = self.files[path]
        if entry.kind is not EntryKind.SYMLINK:
            return None
        chosen = path.startswith(_ALTERNATIVES) or entry.link.lstrip("/").startswith(_ALTERNATIVES)
        target = self.links.target(path) if chosen else self.links.place(f"{folder}/{entry.link}")
        beside = target is not None and target.rpartition("/")[0] == folder  # ldconfig's links
        return owner.get(target) if target is not None and (chosen or beside) else None

    def _number(self, manager: str, name: str, version: str) -> int:
        self.ownership.packages.append((manager, name, version))
        return len(self.ownership.packages) - 1

    def _real(self, paths: Iterable[str]) -> Iterable[str]:
        places = (self.links.place(path) for path in paths)
        return (path for path in places if path is not None and path in self.files)

"""How two images differ in what they are made of. Pure: an inventory of each goes in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.anatomy import Inventory, Package

FACTS = {  # field of an inventory -> what a reader calls it
    "os": "operating system",
    "python": "Python",
    "engine": "engine",
    "torch": "torch",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "nccl": "NCCL",
    "tensorrt": "TensorRT",
    "driver_required": "driver required",
    "user": "user",
    "created_utc": "created",
    "base_created_utc": "oldest layer created",
    "pip_check": "pip check",
    "unowned_files": "files owned by no package",
    "unowned_bytes": "bytes owned by no package",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """One fact that the two images disagree on. None: this image does not say."""

    fact: str  # a key of FACTS
    a: str | int | None
    b: str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDifference:
    """One package by its manager and name. Several versions of it side by side are joined by a comma."""

    manager: str
    name: str
    a_version: str | None = None  # None = not in this image
    b_version: str | None = None
    a_disk_bytes: int = 0
    b_disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryDiff:
    """Everything that two inventories disagree on; each list with its largest packages first."""

    facts: tuple[FactDifference, ...] = ()
    only_a: tuple[PackageDifference, ...] = ()
    only_b: tuple[PackageDifference, ...] = ()
    versions: tuple[PackageDifference, ...] = ()  # in both, in another version
    same_packages: int = 0  # in both, in the same version


def diff(a: Inventory, b: Inventory) -> InventoryDiff:
    """What `b` has otherwise than `a`."""
    in_a, in_b = _by_name(a.packages), _by_name(b.packages)
    rows = [_row(key, in_a.get(key, ()), in_b.get(key, ())) for key in in_a.keys() | in_b.keys()]
    rows.sort(key=lambda row: (-max(row.a_disk_bytes, row.b_disk_bytes), row.manager, row.name))
    both = [row for row in rows if row.a_version is not None and row.b_version is not None]
    return InventoryDiff(
        facts=_facts(a, b),
        only_a=tuple(row for row in rows if row.b_version is None),
        only_b=tuple(row for row in rows if row.a_version is None),
        versions=tuple(row for row in both if row.a_version != row.b_version),
        same_packages=sum(row.a_version == row.b_version for row in both),
    )


def package_key(manager: str, name: str) -> tuple[str, str]:
    """What makes two packages the same one: PyPI knows no difference between `_`, `.`, `-` and between cases."""
    return manager, re.sub(r"[-_.]+", "-", name).lower() if manager == "pypi" else name


def _facts(a: Inventory, b: Inventory) -> tuple[FactDifference, ...]:
    pairs = ((fact, getattr(a, fact), getattr(b, fact)) for fact in FACTS)
    return tuple(FactDifference(fact=fact, a=one, b=other) for fact, one, other in pairs if one != other)


def _by_name(packages: Iterable[Package]) -> Mapping[tuple[str, str], list[Package]]:
    found: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        found.setdefault(package_key(package.manager, package.name), []).append(package)
    return found


def _row(key: tuple[str, str], in_a: Iterable[Package], in_b: Iterable[Package]) -> PackageDifference:
    manager, name = key
    return PackageDifference(
        manager=manager,
        name=name,
        a_version=_versions(in_a),
        b_version=_versions(in_b),
        a_disk_bytes=sum(package.disk_bytes for package in in_a),
        b_disk_bytes=sum(package.disk_bytes for package in in_b),
    )


def _versions(packages: Iterable[Package]) -> str | None:
    return ", ".join(sorted({package.version for package in packages})) or None

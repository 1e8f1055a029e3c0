"""Everything that could be left out of an image, with the change of the Dockerfile that does it. They may overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from bench.anatomy import GpuBinary
from bench.images.anatomy.advice import ADVICE
from bench.images.anatomy.architecture import unneeded_bytes
from bench.images.anatomy.binary import SYMBOLS
from bench.images.anatomy.entries import Ownership, Visible
from bench.images.anatomy.wheels import Unneeded, unneeded
from bench.images.anatomy.where import File, Rule
from bench.vocabulary import ByteGroup

TWIN_BYTES = 1_000_000  # files of one name and this size or more are hardly the same by chance
SYMBOL_BYTES = 500_000  # of one file; below it strip is not worth its risk
NAMED = 6  # packages that a sentence names


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One thing to leave out, with what goes of each file."""

    what: str
    group: ByteGroup
    how: str
    caution: str | None
    bytes: Mapping[str, int]  # path -> bytes that go
    names_files: bool = False  # the largest files belong to the name: those that are left when others have taken theirs


Files = Mapping[str, tuple[File, Rule]]


def candidates(
    files: Files, visible: Visible, ownership: Ownership, gpu_binaries: Sequence[GpuBinary], needed_arch: str | None
) -> Iterator[Candidate]:
    """Without those that lower layers hide: no file of a container is among them."""
    installed: set[str] = {
        canonicalize_name(name) for manager, name, _ in ownership.packages if manager in ("pypi", "conda")
    }
    yield from _kinds(files, ownership, installed)
    yield from _wheels(files, visible, ownership)
    yield from _twins(files)
    yield from _symbols(files, visible)
    if needed_arch:
        yield from _gpu_code(gpu_binaries, needed_arch)


def _kinds(files: Files, ownership: Ownership, installed: set[str]) -> Iterator[Candidate]:
    sums: dict[str, dict[str, int]] = {}
    for path, (file, rule) in files.items():
        if rule.kind in ADVICE:
            sums.setdefault(rule.kind, {})[path] = file.bytes
    for kind, sizes in sums.items():
        advice = ADVICE[kind]
        what = f"{advice.what}: {_largest(sizes, ownership)}" if kind == "compiler" else advice.what
        group = files[next(iter(sizes))][1].group
        holds = advice.only_with is None or advice.only_with in installed
        yield Candidate(what=what, group=group, how=advice.how, caution=advice.caution if holds else None, bytes=sizes)


def _largest(sizes: Mapping[str, int], ownership: Ownership) -> str:
    totals: dict[str, int] = {}
    for path, size in sizes.items():
        name = ownership.packages[ownership.owner[path]][1]
        totals[name] = totals.get(name, 0) + size
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    return words(ordered)


def words(names: Sequence[str]) -> str:
    """The first few of a list."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _wheels(files: Files, visible: Visible, ownership: Ownership) -> Iterator[Candidate]:
    owned: dict[str, dict[str, int]] = {}
    for path, (file, _) in files.items():
        if file.manager in ("pypi", "conda"):
            name: str = canonicalize_name(ownership.packages[ownership.owner[path]][1])
            owned.setdefault(name, {})[path] = file.bytes
    for one in unneeded(visible):
        sizes: dict[str, int] = {}
        for each in (one.name, *one.along):
            sizes |= owned.get(each, {})
        yield Candidate(
            what=f"the wheel {one.name} {one.version}"
            + (f" with what only it needs: {words(one.along)}" if one.along else ""),
            group=ByteGroup.PYTHON,
            how=_without_wheel(one),
            caution=_caution(one),
            bytes=sizes,
        )


def _without_wheel(one: Unneeded) -> str:
    if one.name == "pip":
        return "`python3 -m venv --without-pip`, filled by a pip outside of it: `pip --python VENV/bin/python3 install`"
    names = " ".join((one.name, *one.along))
    listed = " (a full list, installed with --no-deps)" if one.required_by else ""
    return f"take it out of the requirements{listed}, or end the RUN with `&& pip uninstall --yes {names}`"


def _caution(one: Unneeded) -> str | None:
    if one.required_by:
        return f"{words(one.required_by)} asks for it: {one.why}; start the engine once without it"
    if one.certain:
        return None
    return "no package requires it, but no engine was recognized either: it may be what the image is for"


def _twins(files: Files) -> Iterator[Candidate]:
    """The contents of files are not kept, so they are not compared."""
    named: dict[tuple[str, int], list[str]] = {}
    for path, (file, rule) in files.items():
        if file.bytes >= TWIN_BYTES and rule.kind != "bytecode":
            named.setdefault((path.rpartition("/")[2], file.bytes), []).append(path)
    for (name, size), paths in named.items():
        if len(paths) > 1:
            yield Candidate(
                what=f"{len(paths) - 1} more file{'s' if len(paths) > 2 else ''} with name and size of {name}",
                group=files[paths[0]][1].group,
                how=f"keep {sorted(paths)[0]} and link the others to it (ln -s) in the RUN that brings them",
                caution="their contents were not compared: see `sha256sum` of both first",
                bytes=dict.fromkeys(sorted(paths)[1:], size),
            )


def _symbols(files: Files, visible: Visible) -> Iterator[Candidate]:
    """Of programs and shared libraries, all together."""
    found = ((path, found.get(SYMBOLS, 0)) for path, found in visible.scanned.items() if path in files)
    sizes = {path: size for path, size in found if size >= SYMBOL_BYTES}
    if sizes:
        yield Candidate(
            what="symbols for debuggers",
            group=files[max(sizes, key=lambda path: (sizes[path], path))][1].group,
            names_files=True,
            how="in an earlier stage that has binutils, end the RUN that brings them with `&& strip --strip-unneeded` "
            "of these files",
            caution="stack traces of crashes lose names; strip can damage what patchelf rewrote (libraries that wheels "
            "carry in *.libs): strip the named ones, and start the engine once",
            bytes=sizes,
        )


def _gpu_code(binaries: Iterable[GpuBinary], needed: str) -> Iterator[Candidate]:
    """By package. NVIDIA's nvprune takes object files and static libraries, no shared ones."""
    packages: dict[str, dict[str, int]] = {}
    carried: dict[str, set[str]] = {}
    for one in binaries:
        size = unneeded_bytes(one.arch_bytes, needed)
        if size:
            owner = one.package or one.path
            packages.setdefault(owner, {})[one.path] = size
            carried.setdefault(owner, set()).update(one.arch_bytes)
    for owner, sizes in packages.items():
        yield Candidate(
            what=f"code in {owner} for other GPUs than {needed}: it carries {words(sorted(carried[owner]))}",
            group=ByteGroup.GPU_LIBRARY,
            how=f"build {owner} from its sources for one architecture "
            f"(torch and its extensions: ENV TORCH_CUDA_ARCH_LIST={_dotted(needed)}) in an earlier stage",
            caution="nothing takes the code out of a finished shared library: a vendor's own library stays as it is; "
            "the image then runs on this GPU alone",
            bytes=sizes,
        )


def _dotted(needed: str) -> str:
    number = needed.removeprefix("sm_").rstrip("af")
    return f"{number[:-1]}.{number[-1]}" + needed.removeprefix("sm_")[len(number) :]

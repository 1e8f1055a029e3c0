"""The profiles of a NIM: its listing read, and a name of the scenario turned into the one id that it means."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

from bench.engines.facts import bare_lines
from bench.errors import ArmError, InputError
from bench.vocabulary import FailureKind

_ID = re.compile(r"[0-9a-f]{64}")
_ROW = re.compile(r"^\s*-?\s*(?P<id>[0-9a-f]{64}) \((?P<name>[^)]+)\)(?: \[(?P<requirement>.*)\])?\s*$")
_HEADING = re.compile(r"^(?P<indent>\s*)- (?P<text>[A-Z].*?):(?:\s*<None>)?\s*$")
_MEMORY_END = re.compile(r"-\d+\.\d+$")  # `-33.0`: the gigabytes that a profile asks for are no part of its name
# Listings of some NIM 1.x add the GPU's PCI id, a hash and a number, no part of the name: `-2330:10de-<64 hex>-1`.
_BUILD_END = re.compile(r"(?:-[0-9a-f]{4}:[0-9a-f]{4})?-[0-9a-f]{64}(?:-\d+)?$")
_LORA_END = re.compile(r"(?:-lora|-feat_lora)+$")
_LORA_WORDS = re.compile(r"-(?:feat_)?lora\b")
_MOST_NAMED = 8


class State(StrEnum):
    """What the listing says of a profile on this GPU, best first."""

    RUNNABLE = "runnable"
    LOW_MEMORY = "low_memory"
    BUILDABLE = "buildable"
    INCOMPATIBLE = "incompatible"


_STATES = {
    "Compatible with system and runnable": State.RUNNABLE,
    "Compatible with system but low memory": State.LOW_MEMORY,
    "Compilable to TRT-LLM": State.BUILDABLE,
    "Incompatible with system": State.INCOMPATIBLE,
}
_ORDER = list(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row of a listing."""

    id: str  # 64 hex digits
    listed_as: str  # the whole description: `vllm-bf16-tp1-pp1-feat_lora-33.0`
    state: State
    requirement: str | None = None  # the listing's words on memory

    @property
    def name(self) -> str:
        """Without what it needs of memory and which build it is: `vllm-bf16-tp1-pp1-feat_lora`."""
        return _bare(self.listed_as)

    @property
    def engine(self) -> str:
        """`vllm`, `sglang` or `tensorrt_llm`."""
        return self.listed_as.split("-")[0]

    @property
    def precision(self) -> str | None:
        """`bf16`, `fp8` and so on, None where the name tells none."""
        found = re.search(r"-((?:bf|fp|mxfp|nvfp|int)\d+\w*)(?:-|$)", self.listed_as)
        return found[1] if found else None

    @property
    def lora(self) -> bool:
        """Whether it is the twin that can load adapters, which costs memory and speed."""
        return bool(_LORA_WORDS.search(self.listed_as))

    @property
    def memory_gb(self) -> float | None:
        """Gigabytes of each GPU, None where the name does not end in them."""
        found = _MEMORY_END.search(self.listed_as)
        return float(found[0][1:]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What `list-model-profiles` printed."""

    profiles: tuple[Profile, ...]

    def usable(self) -> tuple[Profile, ...]:
        """What can start here, best state first."""
        rows = (row for row in self.profiles if row.state is not State.INCOMPATIBLE)
        return tuple(sorted(rows, key=lambda row: _ORDER.index(row.state)))


def parse_listing(text: str) -> Listing:
    """Every profile below the heading that it stands under; banners, licences and log lines are passed over."""
    profiles: list[Profile] = []
    state: State | None = None
    for line in bare_lines(text).splitlines():
        row = _ROW.match(line)
        if row and state:
            profiles.append(
                Profile(id=row["id"], listed_as=row["name"].strip(), state=state, requirement=row["requirement"])
            )
        elif heading := _HEADING.match(line):  # one further in, `With LoRA support`, belongs to the one above it
            state = _state_of(heading["text"]) or (state if heading["indent"] else None)
    return Listing(profiles=tuple(profiles))


def _state_of(heading: str) -> State | None:
    return next((state for words, state in _STATES.items() if heading.startswith(words)), None)


def choose_profile(listing: Listing, name: str, *, arm: str | None = None) -> Profile:
    """The profile of that name or id that can start here, the best state first.

    The memory at the end of a name is left away on both sides. A LoRA twin is chosen only when the name says so.
    """
    where = f"arms.{arm}.profile" if arm else "profile"
    if not listing.profiles:
        raise InputError(
            "the listing holds no profile",
            where=where,
            expected="what `list-model-profiles` prints",
            repair="run it by hand: the image may be no NIM, or want NGC_API_KEY to read its manifest",
        )
    checked_name(name, where=where)
    found = [row for row in listing.profiles if _is_named(row, name)]
    if not found:
        raise InputError(
            "the NIM has no profile of that name",
            where=where,
            expected=_near(listing, name),
            got=repr(name),
            repair="take a name or an id from the listing",
        )
    best = min(found, key=lambda row: _ORDER.index(row.state))
    if best.state is State.INCOMPATIBLE:
        usable = ", ".join(f"{row.name} ({row.state.replace('_', ' ')})" for row in listing.usable() if not row.lora)
        raise ArmError(
            FailureKind.NO_COMPATIBLE_PROFILE,
            f"profile {name!r} cannot run on this GPU; what can: {usable or 'no profile of this NIM'}",
            repair="Choose one that can, or a GPU that the profile was made for.",
        )
    same = {row.id for row in found if row.state is best.state}
    if len(same) > 1:
        raise InputError(
            f"{len(same)} profiles have that name", where=where, got=repr(name), expected="an id", repair=_ids(found)
        )
    return best


def checked_name(name: str, *, where: str) -> None:
    """An id must stand alone: NIM_MODEL_PROFILE takes the listing's whole line for no profile at all."""
    found = _ID.search(_bare(name))
    if found and found[0] != name:
        raise InputError(
            "a profile's id stands with something around it, which a NIM refuses",
            where=where,
            expected="the 64 digits alone",
            got=repr(name),
            repair=f"write {found[0]}",
        )


def _bare(listed_as: str) -> str:
    return _BUILD_END.sub("", _MEMORY_END.sub("", listed_as))


def _is_named(row: Profile, name: str) -> bool:
    if _ID.fullmatch(name):
        return row.id == name
    if row.listed_as == name:
        return True
    wanted = _bare(name)
    if row.name == wanted and not _BUILD_END.search(name):
        return True
    return bool(_LORA_END.search(wanted)) and row.lora and _LORA_END.sub("", row.name) == _LORA_END.sub("", wanted)


def _near(listing: Listing, name: str) -> str:
    """The names most like it, and of those that can run all the same: what a mistyped name may have meant."""
    names = {row.name: row.state for row in sorted(listing.profiles, key=lambda one: -_ORDER.index(one.state))}
    near = difflib.get_close_matches(name, names, n=_MOST_NAMED, cutoff=0.0)
    return ", ".join(f"{one} ({names[one].replace('_', ' ')})" for one in near)


def _ids(rows: list[Profile]) -> str:
    return "write profile_id: one of " + ", ".join(f"{row.id} ({row.state.replace('_', ' ')})" for row in rows)

"""The profiles of the stand-in, their ids and the listing in NIM's format.

The ids are hashes of the definitions below. They are the stand-in's own: no NIM knows them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from stand_in.engines import Engine

LORA = "feat_lora"
GB = 10**9
NEEDED_GB = {"tp1": 1, "tp2": 2}  # memory that a profile asks for; the tiny model needs far less
TOO_MUCH_GB = 65536  # more than any host: the profile that is always "low memory"


@dataclass(frozen=True)
class Profile:
    """One row of the listing."""

    engine: str
    precision: str
    tp: int = 1
    pp: int = 1
    lora: bool = False
    needs_gb: int = 1

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        definition = json.dumps({"stand_in": True, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(definition.encode()).hexdigest()

    @property
    def name(self) -> str:
        """As NIM 2.x writes names."""
        return f"{self.engine}-{self.precision}-tp{self.tp}-pp{self.pp}" + (f"-{LORA}" if self.lora else "")

    @property
    def row(self) -> str:
        """Id, name with the memory behind it, requirement."""
        hint = ", try --max-model-len=1024 to reduce to >=1 GB/gpu" if self.needs_gb == TOO_MUCH_GB else ""
        return f"{self.id} ({self.name}-{self.needs_gb:.1f}) [requires >={self.needs_gb} GB/gpu{hint}]"


def all_profiles(engine: Engine) -> list[Profile]:
    """One per precision and its LoRA twin, one too large for any host, one for two devices."""
    first = next(iter(engine.precisions))
    plain = [Profile(engine=engine.name, precision=precision) for precision in engine.precisions]
    twins = [Profile(engine=engine.name, precision=profile.precision, lora=True, needs_gb=2) for profile in plain]
    large = Profile(engine=engine.name, precision="fp32", needs_gb=TOO_MUCH_GB)
    wide = Profile(engine=engine.name, precision=first, tp=2, needs_gb=2)
    return [*plain, *twins, large, wide]


def runs_here(profile: Profile) -> bool:
    """The processor counts as one device with the host's memory; in the mode of that name nothing fits."""
    return os.environ.get("STAND_IN_MODE") != "no_compatible_profile" and profile.tp == 1


def has_memory(profile: Profile) -> bool:
    """Whether the host holds what it asks for."""
    return profile.needs_gb * GB <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def listing(engine: Engine) -> Iterator[str]:
    """Line by line, indented as NIM 2.0 does it."""
    profiles = all_profiles(engine)
    fitting = [profile for profile in profiles if runs_here(profile)]
    yield "SYSTEM INFO"
    yield "- Free GPUs: <None>"
    yield "MODEL PROFILES"
    yield from _group("- Compatible with system and runnable:", [p for p in fitting if has_memory(p) and not p.lora])
    yield from _group("  - With LoRA support:", [p for p in fitting if has_memory(p) and p.lora])
    yield from _group("- Compatible with system but low memory:", [p for p in fitting if not has_memory(p)])
    yield from _group("- Incompatible with system:", [p for p in profiles if not runs_here(p)])


def _group(heading: str, profiles: list[Profile]) -> Iterator[str]:
    yield heading if profiles else f"{heading} <None>"
    yield from (f"    - {profile.row}" for profile in profiles)


def chosen(engine: Engine) -> Profile:
    """NIM_MODEL_PROFILE by its id alone, else the first that can run."""
    usable = [profile for profile in all_profiles(engine) if runs_here(profile) and has_memory(profile)]
    if not usable:
        raise LookupError(
            "Could not find a profile that is currently runnable with the detected hardware. Please check the system "
            "information below and make sure you have enough free GPUs."
        )
    wanted = os.environ.get("NIM_MODEL_PROFILE") or usable[0].id
    return by_id(engine, wanted)


def by_id(engine: Engine, wanted: str) -> Profile:
    """Exactly one id of the manifest: one with its description behind it is none."""
    for profile in all_profiles(engine):
        if profile.id == wanted:
            return profile
    raise LookupError(f"Could not match a profile in manifest: NIM_MODEL_PROFILE is {wanted!r}, no id of this manifest")

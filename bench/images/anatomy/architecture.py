"""Which code of a GPU binary a given GPU can run, by CUDA's rules of compatibility.

- Device code of 8.0 runs on 8.0, 8.6 and 8.9: the same major version, an equal or higher minor one.
- "sm_90a" runs on exactly that capability; "sm_100f" on its own and higher ones of the same major version.
- PTX ("compute_80") is compiled by the driver for any equal or higher capability; "compute_90a" for exactly that one.
(CUDA C++ Programming Guide: binary and PTX compatibility, feature set compiler targets.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CODE = re.compile(r"(sm|compute|lto|other)_(\d{2,3})([af]?)")


def runs_on(code: str, needed: str) -> bool | None:
    """Whether `code` ("sm_80", "compute_90a") serves a GPU of `needed` ("sm_90"); None = what cannot be told."""
    of, gpu = CODE.fullmatch(code), CODE.fullmatch(needed)
    if of is None or gpu is None or of[1] in ("lto", "other"):
        return None
    has, wants = int(of[2]), int(gpu[2])
    if of[3] == "a":
        return has == wants
    if of[1] == "compute" and not of[3]:
        return has <= wants
    return has // 10 == wants // 10 and has <= wants


def unneeded_bytes(arch_bytes: Mapping[str, int], needed: str) -> int:
    """Bytes of code that a GPU of `needed` never runs. PTX counts among them only where there is device code for it."""
    native = any(code.startswith("sm_") and runs_on(code, needed) for code in arch_bytes)
    unneeded = 0
    for code, size in arch_bytes.items():
        serves = runs_on(code, needed)
        if serves is False or (serves and native and code.startswith("compute_")):
            unneeded += size
    return unneeded if native or unneeded < sum(arch_bytes.values()) else 0

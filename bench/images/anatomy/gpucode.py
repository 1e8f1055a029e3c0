"""Which GPUs a binary carries code for: reads CUDA's fat binaries out of a stream, in constant memory.

A library, program or static archive holds any number of fat binaries (sections .nv_fatbin and __nv_relfatbin); where
the sections lie stands at a file's end, so the containers are found by their own header:

    container  u32 magic 0xBA55ED50 · u16 version 1 · u16 header size 16 · u64 size of all entries
    entry      u16 kind · u16 version · u32 header size · u64 size of the payload, padded · … · at 28: u32 architecture
               … · at 40: u64 flags; then the payload, compressed or not

The magic, the container and kinds 1, 2 and 4 are those of CUDA's own fatbinary.h; kind 256 and the flags of "sm_90a"
and "sm_100f" were read out of what CUDA 13.5's fatbinary writes, and a test holds the whole against its cuobjdump. A
device ELF in a file of its own (.cubin) names its architecture in its header. AMD's bundles have another magic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

MAGIC = b"\x50\xed\x55\xba"
HEADER = Struct("<IHHQ")
ENTRY = Struct("<HHIQIIHHIIIQ")  # up to the flags; the rest of an entry's header tells nothing of interest
ENTRY_HEADER_BYTES = range(48, 4096)  # 64 to 200 have been seen
ACCELERATED, FAMILY = 0x100000, 0x200000  # flags of code for one GPU, or for its family: "sm_90a", "sm_100f"
KINDS = {1: "compute_", 2: "sm_", 4: "sm_", 8: "lto_", 16: "sm_"}  # PTX, device ELF, its old form, NVVM, a new form
CONCATENATED = 256  # images compressed together: of what, only unpacking would tell
SEVERAL = "several"
ARCHITECTURES = range(10, 1000)  # compute capability without its point: anything else is no entry
BEGINNINGS = (b"\x7fELF", b"!<arch>\n", MAGIC)  # programs and libraries, static archives, .fatbin
EM_CUDA = 190
BEGINNING_BYTES = 64
LEAST_BYTES = 128  # of a file that holds a container with one entry


class FatbinScanner:
    """One file's GPU code, by architecture."""

    def __init__(self) -> None:
        self._held = b""  # what the next step needs more of: at most a header's bytes
        self._skip = 0  # bytes of a payload, or of a file of no interest, that pass unread
        self._left = 0  # of the container that is being read, after the step at hand
        self._bytes = 0
        self._whole: str | None = None  # the architecture of a file that is a device ELF itself
        self._found: dict[str, int] = {}
        self._step: Callable[[bytes, int], int | None] | None = self._begin

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._bytes += len(chunk)
        if self._step is None:
            return
        if self._skip >= len(chunk):
            self._skip -= len(chunk)
            return
        data, at, self._skip = self._held + chunk[self._skip :], 0, 0
        while self._step is not None:
            after = self._step(data, at)
            if after is None:  # more is needed; a step keeps less than a header
                break
            if after > len(data):
                self._skip, at = after - len(data), len(data)
                break
            at = after
        self._held = data[at:] if self._step is not None else b""

    def found(self) -> Mapping[str, int]:
        """Architecture -> bytes of its entries in the file."""
        return {self._whole: self._bytes} if self._whole else dict(self._found)

    def _begin(self, data: bytes, at: int) -> int | None:
        """Anything but an ELF file, an archive or a fat binary is looked at no further."""
        if len(data) < BEGINNING_BYTES:
            return None
        self._step = self._search if data.startswith(BEGINNINGS) else None
        if data.startswith(BEGINNINGS[0]) and int.from_bytes(data[18:20], "little") == EM_CUDA:
            self._step, self._whole = None, _of_device_elf(data)
        return at

    def _search(self, data: bytes, at: int) -> int | None:
        found = data.find(MAGIC, at)
        if found < 0:
            keep_from = max(at, len(data) - len(MAGIC) + 1)
            return keep_from if keep_from > at else None
        self._step = self._container
        return found

    def _container(self, data: bytes, at: int) -> int | None:
        """Code that compares with the magic holds it too: version and size of the header tell it apart."""
        if len(data) - at < HEADER.size:
            return None
        _, version, header_bytes, size = HEADER.unpack_from(data, at)
        if version != 1 or header_bytes != HEADER.size:
            self._step = self._search
            return at + len(MAGIC)
        self._step, self._left = self._entry, size
        return at + HEADER.size

    def _entry(self, data: bytes, at: int) -> int | None:
        """An entry that cannot be one ends the container: the search goes on from here."""
        if self._left < ENTRY.size:
            self._step = self._search
            return at
        if len(data) - at < ENTRY.size:
            return None
        kind, _, header_bytes, size, _, _, _, _, number, _, _, flags = ENTRY.unpack_from(data, at)
        whole = header_bytes + size
        name = _name(kind, number, flags)
        if name is None or header_bytes not in ENTRY_HEADER_BYTES or whole > self._left:
            self._step = self._search
            return at
        self._found[name] = self._found.get(name, 0) + whole
        self._left -= whole
        return int(at + whole)


def _name(kind: int, number: int, flags: int) -> str | None:
    if kind == CONCATENATED:
        return SEVERAL
    if not 0 < kind < CONCATENATED or number not in ARCHITECTURES:
        return None
    return f"{KINDS.get(kind, 'other_')}{number}{'a' if flags & ACCELERATED else 'f' if flags & FAMILY else ''}"


def _of_device_elf(data: bytes) -> str | None:
    """Byte 8 is the version of CUDA's binary interface: from 8 on the architecture lies one byte higher."""
    flags = int.from_bytes(data[48:52], "little")
    number = flags >> 8 & 0xFF if data[8] >= 8 else flags & 0xFF
    return f"sm_{number}" if number in ARCHITECTURES else None

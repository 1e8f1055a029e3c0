"""How much of a program or library `strip --strip-unneeded` would take: symbols and debugging information, by a stream.

The header says where the table of sections lies, mostly at the end. Sections that no process loads are what strip
takes away: .symtab, .strtab, .debug_*. Programs and shared libraries alone: object files need their symbols.
"""

from __future__ import annotations

from struct import Struct

HEADER = Struct("<16sHHIQQQIHHHHHH")
SECTION = Struct("<IIQQQQIIQQ")
ELF64_LITTLE = b"\x7fELF\x02\x01"
PROGRAM_TYPES = (2, 3)  # ET_EXEC, ET_DYN
LOADED = 2  # SHF_ALLOC
SECTIONS = 1024  # a library has some dozens; more is not read
NO_BYTES = 8  # SHT_NOBITS: a size without content


class SymbolScanner:
    """One file's sections that no process loads."""

    def __init__(self) -> None:
        self._at = 0  # bytes that have passed
        self._head = b""
        self._table = bytearray()
        self._from = self._until = 0  # where the table of sections lies

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        began, self._at = self._at, self._at + len(chunk)
        if len(self._head) < HEADER.size:
            self._head += chunk[: HEADER.size - len(self._head)]
            if len(self._head) == HEADER.size:
                self._from, self._until = _table(self._head)
        if self._until > began and self._from < self._at:
            self._table += chunk[max(0, self._from - began) : max(0, self._until - began)]

    def bytes(self) -> int:
        """What strip would take; 0 where the file is no program, or its table lies or is cut off."""
        if not self._table or len(self._table) != self._until - self._from:
            return 0
        total = 0
        for _, kind, flags, _, offset, size, *_ in SECTION.iter_unpack(self._table):
            if kind not in (0, NO_BYTES) and not flags & LOADED:
                if offset + size > self._at:
                    return 0
                total += size
        return min(total, self._at)


def _table(head: bytes) -> tuple[int, int]:
    """Begin and end of the table of sections."""
    if not head.startswith(ELF64_LITTLE):
        return 0, 0
    _, kind, _, _, _, _, offset, _, _, _, _, entry_bytes, count, _ = HEADER.unpack(head)
    if kind not in PROGRAM_TYPES or entry_bytes != SECTION.size or not 0 < count <= SECTIONS or offset < HEADER.size:
        return 0, 0
    return offset, offset + count * SECTION.size

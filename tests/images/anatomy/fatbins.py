"""Fat binaries of a few hundred bytes, in the layout of CUDA's fatbinary.h."""

from __future__ import annotations

import struct

PTX, ELF, NVVM, CONCATENATED = 1, 2, 8, 256
FLAG_A, FLAG_F, COMPRESSED = 0x100000, 0x200000, 0x8000


def entry(kind: int, arch: int, payload: bytes, *, flags: int = 0x11, header_bytes: int = 64) -> bytes:
    padded = payload + bytes(-len(payload) % 8)
    head = struct.pack(
        "<HHIQIIHHIIIQ", kind, 0x101, header_bytes, len(padded), len(payload), 0, 1, 8, arch, 0, 0, flags
    )
    return head + bytes(header_bytes - len(head)) + padded


def container(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def library(*parts: bytes) -> bytes:
    """A host's shared object that holds these bytes somewhere."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62) + bytes(44) + b"".join(parts) + bytes(40)


def device_elf(*, abi: int, flags: int) -> bytes:
    """What a .cubin file is: an ELF file for the machine EM_CUDA."""
    head = b"\x7fELF\x02\x01\x01\x41" + bytes([abi]) + bytes(7) + struct.pack("<HH", 2, 190) + bytes(28)
    return head + struct.pack("<I", flags) + bytes(100)

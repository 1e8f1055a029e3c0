"""What is looked for in binaries while they pass: code for GPUs, and symbols that no process loads."""

from __future__ import annotations

from collections.abc import Mapping

from bench.images.anatomy.gpucode import LEAST_BYTES, FatbinScanner
from bench.images.anatomy.symbols import SymbolScanner

SYMBOLS = "symbols"  # beside the architectures, in what a scanner found
TEXT = (".py", ".pyc", ".pyi", ".txt", ".json", ".md", ".rst", ".h", ".hpp", ".html", ".js", ".sh", ".yaml", ".mo")


def scanner_for(path: str, size: int) -> BinaryScanner | None:
    """A scanner for a file that may be a binary; its first bytes decide whether it is read on."""
    return None if size < LEAST_BYTES or path.endswith(TEXT) else BinaryScanner()


class BinaryScanner:
    """Both in one pass."""

    def __init__(self) -> None:
        self._code, self._symbols = FatbinScanner(), SymbolScanner()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._code.feed(chunk)
        self._symbols.feed(chunk)

    def found(self) -> Mapping[str, int]:
        """GPU architecture -> bytes, and the bytes of symbols."""
        symbols = self._symbols.bytes()
        return {**self._code.found(), **({SYMBOLS: symbols} if symbols else {})}


def gpu_code(found: Mapping[str, int]) -> dict[str, int]:
    """Of what a scanner found, the architectures alone."""
    return {name: size for name, size in found.items() if name != SYMBOLS}

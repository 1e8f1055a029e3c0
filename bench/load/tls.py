"""TLS over a plain socket through memory buffers: encrypted sockets are read in the same place as plain ones."""

from __future__ import annotations

import ssl
from typing import Any

_RECORD_BYTES = 65536


class TlsSocket:
    """`recvmsg` and `sendall` of an encrypted connection; `sock` blocks cooperatively on sendall and recv."""

    def __init__(self, sock: Any, recvmsg: Any, context: ssl.SSLContext, host: str) -> None:
        self._sock, self._raw_recvmsg = sock, recvmsg
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._handshake()

    def _handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._sock.recv(_RECORD_BYTES)
                if not data:
                    raise ssl.SSLError("the server closed the connection in the handshake") from None
                self._incoming.write(data)
            else:
                self._flush()
                return

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._sock.sendall(data)

    def sendall(self, data: bytes) -> None:
        """Encrypt and send."""
        self._tls.write(data)
        self._flush()

    def recvmsg(self, size: int, ancillary_size: int) -> tuple[bytes, list[Any], int, Any]:
        """What is there now, decrypted; BlockingIOError where it is no whole record yet."""
        data, ancillary, flags, address = self._raw_recvmsg(size, ancillary_size)
        if not data:
            return b"", [], flags, address
        self._incoming.write(data)
        found = []
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                found.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass  # all whole records are read; a closing alert is followed by the end of the connection
        if not found:
            raise BlockingIOError
        return b"".join(found), ancillary, flags, address

"""Unpack a body piece by piece, within a limit, and notice where it was cut.

The HTTP libraries unpack a piece whole, however large it becomes, and take a cut body
for a complete one; so gzip and deflate are undone here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = 0x1F  # its second byte may be in the next piece
_PIECE_BYTES = 256 * 1024


class UnpackError(Exception):
    """The packing is broken or cut."""


class Unpacker:
    """Undoes ``gzip`` or ``deflate`` of one body.

    Parameters
    ----------
    encoding : str
        As of ``Content-Encoding``.

    Raises
    ------
    UnpackError
        The encoding is another, which was not asked for.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("gzip", "x-gzip", "deflate"):
            raise UnpackError(f"it is packed as {self._encoding[:40]!r}")
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next piece of the body holds, a bounded piece at a time.

        Parameters
        ----------
        data : bytes
            In order.

        Raises
        ------
        UnpackError
            It is not what the encoding says.
        """
        if not self._begun:  # two bytes tell which kind of deflate it is
            data, self._head = self._head + data, b""
            if len(data) < 2:
                self._head = data
                return
        while data:
            if self._stream.eof:
                if data[0] != _GZIP_MAGIC:
                    return  # padding
                # A further member (RFC 1952, 2.2).
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield self._piece(data)
            data = self._stream.unconsumed_tail or self._stream.unused_data
            self._begun = True

    def end(self) -> bytes:
        """Return what is left at the end of the body.

        Raises
        ------
        UnpackError
            The body was cut.
        """
        if self._head:
            raise UnpackError("it ends in the middle")
        if not self._begun:
            return b""
        rest = self._stream.flush()
        if not self._stream.eof:
            raise UnpackError("it ends in the middle")
        return rest

    def _piece(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, _PIECE_BYTES)
        except zlib.error as exc:
            if self._encoding == "deflate" and not self._begun:
                # Some services send the bare stream that RFC 9110, 8.4.1.2 forbids.
                self._stream, self._begun = zlib.decompressobj(_RAW), True
                return self._piece(data)
            raise UnpackError("the packing is broken") from exc

"""Reads a file of a log from its beginning or from a place in it, plain or compressed by gzip, in bounded pieces.

Places count bytes of the plain text, whether it is compressed or not. Decides nothing about what a file holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from trimtab.observe.logs.source import PIECE_BYTES, LogFile, LogSource

_MAGIC = b"\x1f\x8b"
_GZIP = 31  # zlib's number for gzip's own header


class UnreadableFileError(Exception):
    """A file cannot be read (any more), or is not what its compression says."""


def pieces_of(source: LogSource, file: LogFile, place: int = 0) -> Iterator[bytes]:
    """Yield a file's bytes from `place` on, up to the size that it was listed with. Raises UnreadableFileError.

    What grows meanwhile is left for later: reading over SQL may be logged itself, in the very file.
    """
    if _piece(source, file.name, 0, len(_MAGIC)) == _MAGIC:
        yield from _from(place, _decompressed(source, file.name))
        return
    while place < file.size_bytes:
        piece = _piece(source, file.name, place, min(PIECE_BYTES, file.size_bytes - place))
        if not piece:
            return
        place += len(piece)
        yield piece


def head_of(source: LogSource, name: str, length: int) -> bytes:
    """Return a file's first bytes. Raises UnreadableFileError."""
    head = _piece(source, name, 0, length)
    if not head.startswith(_MAGIC):
        return head
    return next(_decompressed(source, name), b"")[:length]


def _piece(source: LogSource, name: str, place: int, length: int) -> bytes:
    piece = source.read(name, place, length)
    if piece is None:
        raise UnreadableFileError
    return piece


def _decompressed(source: LogSource, name: str) -> Iterator[bytes]:
    place = 0
    stream = zlib.decompressobj(_GZIP)
    try:
        while packed := _piece(source, name, place, PIECE_BYTES):
            place += len(packed)
            while packed:
                if stream.eof:  # gzip files may follow one another in one file
                    stream = zlib.decompressobj(_GZIP)
                piece = stream.decompress(packed, PIECE_BYTES)
                packed = stream.unconsumed_tail or stream.unused_data
                if piece:
                    yield piece
    except zlib.error:
        raise UnreadableFileError from None


def _from(place: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if place < len(piece):
            yield piece[place:]
        place = max(0, place - len(piece))

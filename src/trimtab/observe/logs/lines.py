"""Cuts a file's pieces into lines, of bounded length: of a longer one only what its reader must know is kept.

Knows nothing of what a line means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trimtab.observe.logs.entry import LIMIT_BYTES

_KEPT_OF_LONG = 1024


class Line(NamedTuple):
    """A line without its newline, and the place in the file where the next one begins.

    `dropped_quotes` is None for a whole line; else `content` is its beginning, and so many quotes were dropped.
    """

    content: bytes
    end: int
    dropped_quotes: int | None = None


class Lines:
    """Cuts one file, from the byte `start` on."""

    def __init__(self, start: int = 0) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._long: bytes | None = None
        self._quotes = 0
        self._place = start

    @property
    def is_at_end_of_line(self) -> bool:
        """Whether what was fed so far ends with a newline."""
        return not self._rest and self._long is None

    @property
    def tail(self) -> bytes:
        """The beginning of a line that does not end yet."""
        return self._long if self._long is not None else b"".join(self._rest)

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Yield the lines that this piece completes."""
        *whole, rest = piece.split(b"\n")
        for content in whole:
            yield self._line(content)
        if rest:
            self._keep(rest)

    def _line(self, content: bytes) -> Line:
        if self.is_at_end_of_line and len(content) <= LIMIT_BYTES:
            self._place += len(content) + 1
            return Line(content, self._place)
        self._keep(content)
        self._place += self._rest_bytes + 1
        if self._long is not None:
            line = Line(self._long, self._place, self._quotes)
        else:
            line = Line(b"".join(self._rest), self._place)
        self._rest, self._rest_bytes, self._long, self._quotes = [], 0, None, 0
        return line

    def _keep(self, content: bytes) -> None:
        self._rest_bytes += len(content)
        if self._long is not None:
            self._quotes += content.count(b'"')
            return
        self._rest.append(content)
        if self._rest_bytes > LIMIT_BYTES:
            dropped = b"".join(self._rest)
            self._long, self._rest = dropped[:_KEPT_OF_LONG], []
            self._quotes = dropped.count(b'"', _KEPT_OF_LONG)

"""One entry of a log, as all three formats tell it. What it means is decided elsewhere; it stays in this room.

Its texts hold literals: they are fingerprinted and dropped, and never shown.
"""

from __future__ import annotations

from typing import NamedTuple

LIMIT_BYTES = 16 * 1024 * 1024
"""Longer entries are skipped and counted."""

_NO_ERRORS = frozenset(["LOG", "INFO", "NOTICE", "WARNING", "DEBUG", *(f"DEBUG{level}" for level in range(1, 6))])
_ERRORS = frozenset({"ERROR", "FATAL", "PANIC"})
_NO_ERROR_CLASSES = ("00", "01", "02")


class Entry(NamedTuple):
    """`time_ns` is None where it cannot be read. Texts are "" and `sqlstate` is None where the log has none.

    `session` tells sessions apart, in a log that does. `is_nested` says that the message has a context: it is of a
    statement inside of a function.
    """

    time_ns: int | None
    session: str | None
    database: str | None
    role: str | None
    server_query_id: int | None
    severity: str
    sqlstate: str | None
    message: str
    detail: str = ""
    statement: str = ""
    is_nested: bool = False
    is_worker: bool = False

    @property
    def is_english(self) -> bool:
        """Whether the word for its severity is English, and so its message."""
        return self.severity in _NO_ERRORS or self.severity in _ERRORS

    @property
    def is_error(self) -> bool | None:
        """Whether a statement failed; by the SQLSTATE in other languages, None where there is none."""
        if self.severity in _ERRORS:
            return True
        if self.severity in _NO_ERRORS:
            return False
        return None if self.sqlstate is None else self.sqlstate[:2] not in _NO_ERROR_CLASSES


def query_id_of(number: object) -> int | None:
    """Return the server's id of a query from its digits; 0 stands for none."""
    try:
        found = int(number) if isinstance(number, str | bytes | int) else 0
    except ValueError:
        return None
    return found or None

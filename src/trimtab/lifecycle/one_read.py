"""Runs one read that somebody wrote, on a source, as far as that is safe: checked by its tree, then by the server.

The role must be one that only reads. The text is one statement, of which every part is known to read alone; it is sent
by the extended protocol, in a transaction that the server keeps read-only and that is rolled back. What comes back is
cut at a number of rows and of bytes.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import psycopg

from trimtab.db.connection import Connection, connect, source_error
from trimtab.db.parser import tokens_of
from trimtab.db.read_check import why_not_read
from trimtab.db.read_only import CHECK_LIMITS, only_reading, read_limits
from trimtab.db.role import READING, excess_rights
from trimtab.errors import RefusedError, UsageError

LIMIT_MS = 5_000
_LOCK_LIMIT_MS = 500
MOST_CHARACTERS = 8_000
MOST_VALUE_CHARACTERS = 2_000
_CURSOR = "trimtab_read"


@dataclass(frozen=True, slots=True)
class Rows:
    """Names of the columns, and values in their text form; None is NULL. `is_cut`: there are more rows than these."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    is_cut: bool


def run_read(conninfo: str, text: str, *, max_rows: int, max_bytes: int) -> Rows:
    """Return the rows of the read. Tables are named with their schemas: the search path is pg_catalog alone.

    Raises UsageError `read.too_long`; RefusedError `read.overprivileged`, `read.refused`; SourceError.
    """
    if len(text) > MOST_CHARACTERS:
        raise UsageError(
            f"the text was refused: it has {len(text)} characters, the limit is {MOST_CHARACTERS}",
            code="read.too_long",
            next_step="Write a shorter one.",
        )
    with closing(
        connect(conninfo, read_only=True, statement_timeout_ms=LIMIT_MS, lock_timeout_ms=_LOCK_LIMIT_MS)
    ) as source:
        excess = excess_rights(source)
        if excess:
            raise RefusedError(
                f"nothing was read: the role has {', '.join(excess)}, which reading does not need",
                code=READING.code,
                next_step="Connect as trimtab_explain, which `trimtab init` prints.",
            )
        with only_reading(source, {**CHECK_LIMITS, **read_limits(LIMIT_MS), "search_path": "pg_catalog"}):
            danger = why_not_read(source, text)
            if danger is not None:
                raise RefusedError(
                    f"the text is not run: {danger.reason}",
                    code="read.refused",
                    next_step="Write one SELECT, without functions that do more than compute.",
                )
            try:
                return _fetched(source, text, max_rows, max_bytes)
            except psycopg.Error as error:
                raise source_error(error) from None


def _fetched(source: Connection, text: str, max_rows: int, max_bytes: int) -> Rows:
    """Return what comes, row by row: no more of it is held here than one row beyond what is returned.

    The server takes the text as a cursor's first, and tells its columns; then it is run with each value cut over there.
    """
    source.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {text}".encode())
    columns = tuple(column.name for column in source.execute(f"FETCH 0 FROM {_CURSOR}".encode()).description or ())
    source.execute(f"CLOSE {_CURSOR}".encode())
    source.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {_cut(text, len(columns))}".encode())
    kept: list[tuple[str | None, ...]] = []
    size = 0
    while True:
        result = source.execute(f"FETCH 1 FROM {_CURSOR}".encode()).pgresult
        if result is None or not result.ntuples:
            return Rows(columns, tuple(kept), False)
        values = [result.get_value(0, place) for place in range(len(columns))]
        row = tuple(None if value is None else _text(value) for value in values)
        size += sum(len((value or "").encode()) + 8 for value in row)
        if len(kept) >= max_rows or size > max_bytes:
            return Rows(columns, tuple(kept), True)
        kept.append(row)


def _cut(text: str, count: int) -> str:
    """Return the read, of so many columns, with its values in their text form and no longer than is told of them.

    `format` writes a value by its type's own output, which a cast to text need not do.
    """
    raw = text.encode()
    for token in reversed(tokens_of(text)):
        if token.kind == ";":
            raw = raw[: token.start] + b" " + raw[token.end :]
    if not count:
        return f"SELECT FROM ({raw.decode()}\n) AS r"
    names = [f"c{place}" for place in range(count)]
    values = [
        f"CASE pg_catalog.num_nulls({name}) WHEN 0"
        f" THEN pg_catalog.left(pg_catalog.format('%s', {name}), {MOST_VALUE_CHARACTERS + 1}) END"
        for name in names
    ]
    return f"SELECT {', '.join(values)} FROM ({raw.decode()}\n) AS r({', '.join(names)})"  # noqa: S608


def _text(value: bytes | memoryview) -> str:
    text = bytes(value).decode("utf-8", "replace")
    return text if len(text) <= MOST_VALUE_CHARACTERS else text[:MOST_VALUE_CHARACTERS] + "…"

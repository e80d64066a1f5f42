"""Reads what a watcher needs in one round: which server it is, and all counters of pg_stat_statements as arrays.

Texts are read for statements that are new, a few at a time, and never kept here. Never resets the statistics, and
judges nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, tuple_row

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.db.sql import split
from trimtab.errors import SourceError, WorkloadError
from trimtab.model.traffic import StatementKey
from trimtab.model.watched import Instance, Reading
from trimtab.model.workload import Query, QueryKind
from trimtab.observe.identity import QueryIds
from trimtab.observe.own_statements import SystemNames, is_own
from trimtab.observe.reading import query, read
from trimtab.observe.regrouping import regrouped
from trimtab.observe.statements import extension_of
from trimtab.observe.utilities import unwrapped

if TYPE_CHECKING:
    import numpy as np

LONGEST_TEXT = 20_000
_TELLS_TOP_LEVEL = (1, 9)
_TELLS_SINCE = (1, 11)
_NOT_LOADED = "55000"
_DAMAGED = "source.encoding"
_KEY_COLUMNS, _TOTAL_MS, _SINCE = 3, 4, 9


@dataclass(frozen=True, slots=True)
class Source:
    """What is asked of this server: the extension's schema and version, and what the role may read."""

    schema: str
    version: tuple[int, ...]
    tells_identifier: bool
    tells_timeline: bool


@dataclass(frozen=True, slots=True)
class Described:
    """A statement by its text. `query` is what EXPLAIN takes, None where it has no plan; `why` then says why not.

    `is_workload` is false for what Trimtab and monitoring send, and for sessions and transactions.
    """

    name: str
    is_workload: bool
    query: Query | None = None
    why: str = ""


def open_source(conn: Connection) -> Source:
    """Return what can be asked of this server.

    Raises SourceError: source.no_pg_stat_statements, source.pg_stat_statements_not_loaded,
    source.pg_stat_statements_too_old, and as `source_error` maps it.
    """
    schema, version = extension_of(conn)
    source = Source(schema, version, tells_identifier=True, tells_timeline=True)
    return replace(
        source,
        tells_identifier=_told(conn, "server_identifier") is not None,
        tells_timeline=_told(conn, "coordinate") is not None,
    )


def read_instance(conn: Connection, source: Source) -> Instance:
    """Return the server at this moment. Raises SourceError."""
    [row] = read(conn, "watch_instance")
    identifier = _told(conn, "server_identifier") if source.tells_identifier else None
    coordinate = _told(conn, "coordinate") if source.tells_timeline else None
    found = Instance(
        **row,
        system_identifier=None if identifier is None else str(identifier["system_identifier"]),
        timeline=None if coordinate is None else int(str(coordinate["timeline"])),
    )
    if source.version < _TELLS_TOP_LEVEL:  # the view of resets and evictions came with it
        return found
    [row] = _extension(conn, source, "watch_evictions", ())
    return replace(found, reset=row["reset"] or "", evictions=row["evictions"])


def read_round(conn: Connection, source: Source, *, wall_ns: int, tick: float) -> Reading:
    """Return the server and its counters. The clocks are the caller's, read when this was called.

    Raises SourceError, with `source.pg_stat_statements_not_loaded` among others.
    """
    # Before the counters, not after: a reset in between then shows as counters that shrank.
    instance = read_instance(conn, source)
    rows = _counters(conn, source)
    counted = [row for row in rows if row[1] is not None]
    counts, since = _arrays(counted)
    keys = tuple(row[:_KEY_COLUMNS] for row in counted)
    whole_ms = sum(row[_TOTAL_MS] for row in rows)
    hidden_ms = sum(row[_TOTAL_MS] for row in rows if row[1] is None)
    return Reading(
        instance, wall_ns, tick, keys, counts, since,
        hidden=len(rows) - len(counted), hidden_share=hidden_ms / whole_ms if whole_ms > 0 else 0.0,
    )  # fmt: skip


def read_texts(conn: Connection, source: Source, keys: Collection[StatementKey]) -> Mapping[int, str | None]:
    """Return the texts of these statements by the server's ids; None where it is too long. Those lost are left out.

    Where the server's file of texts is damaged it gives none of them, and they are all lost; counters are not.
    """
    ids = sorted({query_id for _, query_id, _ in keys})
    try:
        rows = _extension(conn, source, "watch_texts", (ids, LONGEST_TEXT))
    except SourceError as error:
        if error.code != _DAMAGED or conn.closed:
            raise
        return {}
    return {row["query_id"]: row["text"] for row in rows}


def describe(text: str | None, system: SystemNames) -> Described:
    """Return what a statement is. A text that is too long or damaged is the workload's, and has no plan to compare."""
    if text is None:
        return Described("", True, why="its text is too long")
    inner, _ = unwrapped(text)
    try:
        statements = split(regrouped(inner))
    except WorkloadError:
        statements = []
    if len(statements) != 1:
        return Described("", True, why="its text is damaged")
    [statement] = statements
    name = QueryIds().next_for(statement.fingerprint)
    if statement.danger == "sql.utility":
        return Described(name, False)
    if is_own(text, system):
        return Described(name, False)
    if statement.danger is not None:
        return Described(name, True, why=statement.reason)
    found = Query(
        id=name,
        name=name,
        text=statement.text,
        normalized_text=statement.normalized_text,
        weight=1.0,
        kind=statement.kind or QueryKind.WRITE,
        parameter_count=statement.parameter_count,
    )
    return Described(name, True, found)


def _told(conn: Connection, name: str) -> Mapping[str, object] | None:
    """Return the row of a catalog query, or None where this role or service does not get it."""
    try:
        [row] = read(conn, name)
    except SourceError:
        if conn.closed:
            raise
        return None
    return row


def _extension(conn: Connection, source: Source, name: str, parameters: tuple[object, ...]) -> list[DictRow]:
    text = sql.SQL(load(name, conn.info.server_version)).format(schema=sql.Identifier(source.schema))
    try:
        return query(conn, text, parameters)
    except psycopg.Error as error:
        raise _not_loaded(error) from None


def _counters(conn: Connection, source: Source) -> list[tuple[Any, ...]]:
    text = sql.SQL(load("watch_counters", conn.info.server_version)).format(
        schema=sql.Identifier(source.schema),
        top_level=sql.SQL("s.toplevel" if source.version >= _TELLS_TOP_LEVEL else "true"),
        since=sql.SQL("extract(epoch from s.stats_since)::float8" if source.version >= _TELLS_SINCE else "0::float8"),
    )
    try:
        # Binary: thousands of numbers need not be printed here and read there.
        return conn.cursor(row_factory=tuple_row).execute(text, binary=True).fetchall()
    except psycopg.Error as error:
        raise _not_loaded(error) from None


def _not_loaded(error: psycopg.Error) -> SourceError:
    if error.sqlstate != _NOT_LOADED:
        return source_error(error)
    return SourceError(
        "pg_stat_statements is installed but not loaded",
        code="source.pg_stat_statements_not_loaded",
        next_step="Add it to shared_preload_libraries and restart the server.",
    )


def _arrays(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The server keeps the deviation over all executions, of which the sum of squares can be had back."""
    import numpy as np

    if not rows:
        return np.zeros((0, 6)), np.zeros(0)
    table = np.array([row[_KEY_COLUMNS:] for row in rows], dtype=float)
    calls, total, deviation = table[:, 0], table[:, 1], table[:, 2]
    squares = calls * deviation**2 + total**2 / calls
    counts = np.column_stack((calls, total, squares, table[:, 3], table[:, 4], table[:, 5]))
    return counts, table[:, _SINCE - _KEY_COLUMNS]

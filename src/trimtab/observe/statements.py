"""Reads a workload from pg_stat_statements: what ran in this database, how often, the costliest first.

Trimtab's own statements, those that touch nothing but system catalogs, and sessions, transactions and DDL are left out
silently; what cannot be read or must not be run, and work that is no query, is left out with its reason. Never resets
the statistics.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.db.sql import Statement, split
from trimtab.errors import EmptyWorkloadError, SourceError, WorkloadError
from trimtab.model.change import quote_identifier
from trimtab.model.workload import Query, QueryKind, Skipped, Workload
from trimtab.observe.identity import QueryIds
from trimtab.observe.own_statements import SystemNames, is_marked, is_own, read_system_names
from trimtab.observe.reading import query, read
from trimtab.observe.regrouping import regrouped
from trimtab.observe.utilities import is_unreadable_noise, unwrapped, work_of

ORIGIN = "pg_stat_statements"
DEFAULT_LIMIT = 500
# pg_stat_statements keeps 5 000 statements unless told otherwise; most of what is read beyond the limit is our own.
_ROWS_PER_QUERY = 10
_NOT_LOADED = "55000"
_MOST_KEPT_CHARACTERS = 8_192
# What the extension offers follows its own version: pg_upgrade leaves an old one on a new server.
_OLDEST = (1, 8)
_TELLS_TOP_LEVEL = (1, 9)
_CURSORS_TWICE_SINCE = 180000
_FILE_INSTEAD = "or give the statements in a file: --workload FILE.sql"
_NOT_UTF8 = ("22021", "22P05")
_UNREAD = ("query.no_text", "sql.syntax")
_RESET = (
    "where the server's file of texts is damaged, a superuser's SELECT pg_stat_statements_reset() begins a new one "
    "(all counters begin anew with it)"
)


@dataclass(frozen=True, slots=True)
class _Ran:
    """A readable statement with its executions and their total time in milliseconds."""

    statement: Statement
    calls: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Heavy:
    """A query of this database, how often it ran and how long that took together, in milliseconds."""

    query: Query
    calls: float
    total_ms: float


def workload_from_statements(conn: Connection, limit: int = DEFAULT_LIMIT) -> Workload:
    """Return at most `limit` queries of this database, by total time; their weights are calls.

    Texts that differ in constants only are one query. Raises SourceError: source.no_pg_stat_statements,
    source.pg_stat_statements_not_loaded, source.pg_stat_statements_too_old, source.damaged_texts; EmptyWorkloadError.
    """
    ran, skipped, schema = _ran(conn, limit * _ROWS_PER_QUERY)
    queries = tuple(heavy.query for heavy in _heaviest(ran))[:limit]
    if not queries:
        raise _empty(skipped)
    return Workload(queries, ORIGIN, tuple(skipped), counting_since(conn, schema))


def heaviest_statements(conn: Connection, rows: int) -> tuple[tuple[Heavy, ...], str | None]:
    """Return the queries among the `rows` costliest entries, by total time, and since when was counted.

    Raises SourceError as `workload_from_statements`; a database that ran nothing has none.
    """
    ran, _, schema = _ran(conn, rows)
    return _heaviest(ran), counting_since(conn, schema)


def _ran(conn: Connection, limit: int) -> tuple[list[_Ran], list[Skipped], str]:
    schema, version = extension_of(conn)
    rows = _rows(conn, schema, version, limit)
    system = read_system_names(conn)
    calls_per_cursor = 2 if _counts_cursors_twice(conn) else 1
    ran: list[_Ran] = []
    skipped: list[Skipped] = []
    work: Counter[str] = Counter()
    for row in rows:
        if row["is_hidden"]:
            skipped.append(_hidden(row))
        elif row["text"] is None:
            skipped.append(_unusable(row, "query.no_text", "the server has lost its text"))
        else:
            found = _found_in(row["text"])
            calls = row["calls"] / (calls_per_cursor if found.is_cursor else 1)
            _sort_in({**row, "calls": calls}, found.statements, system, ran, skipped, work)
    skipped.extend(_no_query(kind, calls) for kind, calls in work.most_common())
    return ran, skipped, schema


def extension_of(conn: Connection) -> tuple[str, tuple[int, ...]]:
    """Return the schema that holds the extension, and its version."""
    found = read(conn, "statements_extension")
    if not found:
        raise SourceError(
            "pg_stat_statements is not installed in this database",
            code="source.no_pg_stat_statements",
            next_step="As a superuser, add it to shared_preload_libraries, restart, run CREATE EXTENSION "
            f"pg_stat_statements in this database and let the workload run; {_FILE_INSTEAD}.",
        )
    told = str(found[0]["version"])
    version = tuple(int(part) for part in re.findall(r"\d+", told))
    if version < _OLDEST:
        raise SourceError(
            f"pg_stat_statements of this database is of version {told}, older than its server, "
            f"and {'.'.join(map(str, _OLDEST))} or later is needed",
            code="source.pg_stat_statements_too_old",
            next_step=f"As its owner, run ALTER EXTENSION pg_stat_statements UPDATE in this database, {_FILE_INSTEAD}.",
        )
    return str(found[0]["schema"]), version


def _rows(conn: Connection, schema: str, version: tuple[int, ...], limit: int) -> list[DictRow]:
    name = "statements_top_level" if version >= _TELLS_TOP_LEVEL else "statements"
    text = load(name, conn.info.server_version)
    # The name of the schema is the only thing that a parameter cannot hold.
    composed = sql.SQL(text).format(schema=sql.Identifier(schema))
    try:
        return query(conn, composed, (limit,))
    except psycopg.Error as exc:
        if exc.sqlstate in _NOT_UTF8:
            raise _damaged() from None
        if exc.sqlstate != _NOT_LOADED:
            raise source_error(exc) from None
        raise SourceError(
            "pg_stat_statements is installed but not loaded",
            code="source.pg_stat_statements_not_loaded",
            next_step=f"Add it to shared_preload_libraries and restart the server; {_FILE_INSTEAD}.",
        ) from None


def _damaged() -> SourceError:
    """Return why no text is read where the server's file of them holds what is no text."""
    return SourceError(
        "the texts of pg_stat_statements cannot be read: the server's file of them (pgss_query_texts.stat) is damaged",
        code="source.damaged_texts",
        next_step="As a superuser: SELECT pg_stat_statements_reset(), which begins a new file and forgets all "
        f"counters; let the workload run, {_FILE_INSTEAD}.",
    )


def unread_texts(workload: Workload) -> str:
    """Return in words how many texts pg_stat_statements has lost or damaged, and what to do; "" where it has none."""
    count = sum(skipped.code in _UNREAD for skipped in workload.skipped) if workload.origin == ORIGIN else 0
    return f"the texts of {count} statements are lost, cut off or unreadable: {_RESET}" if count else ""


def _counts_cursors_twice(conn: Connection) -> bool:
    """Return whether this server counts a cursor's query beside its DECLARE, under the same text."""
    [[track]] = conn.execute("select pg_catalog.current_setting('pg_stat_statements.track', true)").fetchall()
    return conn.info.server_version >= _CURSORS_TWICE_SINCE and track == "all"


def counting_since(conn: Connection, schema: str) -> str | None:
    """Return when the counting began; an extension of before version 1.9 does not know."""
    row = counting(conn, schema, "statements_since")
    return None if row is None or row["since"] is None else str(row["since"])


def counting(conn: Connection, schema: str, query_name: str) -> DictRow | None:
    """Return what that query is told of the counting as a whole; None by an extension of before version 1.9."""
    name = f"{quote_identifier(schema)}.pg_stat_statements_info"
    [[is_there]] = conn.execute("select pg_catalog.to_regclass($1) is not null", (name,)).fetchall()
    if not is_there:
        return None
    composed = sql.SQL(load(query_name, conn.info.server_version)).format(schema=sql.Identifier(schema))
    [row] = query(conn, composed, ())
    return row


@dataclass(frozen=True, slots=True)
class _Found:
    """What a text holds: whether it is a cursor's, and its statements, none where it cannot be read."""

    is_cursor: bool
    statements: tuple[Statement, ...]


def _found_in(text: str) -> _Found:
    """Return what a text holds. Who looks again and again meets the same ones: those of a usual length are kept."""
    return _kept(text) if len(text) <= _MOST_KEPT_CHARACTERS else _read_text(text)


def _read_text(text: str) -> _Found:
    inner, is_cursor = unwrapped(text)
    try:
        return _Found(is_cursor, tuple(split(regrouped(inner))))
    except WorkloadError:
        return _Found(is_cursor, ())


_kept = lru_cache(maxsize=1024)(_read_text)


def _sort_in(
    row: DictRow,
    statements: Sequence[Statement],
    system: SystemNames,
    ran: list[_Ran],
    skipped: list[Skipped],
    work: Counter[str],
) -> None:
    """A text is one statement unless it is damaged; then nothing of it is trusted.

    `work` counts the calls of what is the application's work and no query.
    """
    text: str = row["text"]
    if len(statements) != 1:
        skipped.append(_unusable(row, "sql.syntax", "its text is damaged"))
        return
    statement = statements[0]
    if statement.danger == "sql.syntax" and is_unreadable_noise(text):
        return
    if statement.danger == "sql.utility":
        kind = None if is_marked(text) else work_of(text)
        if kind is not None:
            work[kind] += row["calls"]
        return
    if is_own(text, system):
        return
    if statement.danger is not None:
        skipped.append(_unusable(row, statement.danger, statement.reason, statement.normalized_text))
    else:
        ran.append(_Ran(statement, row["calls"], row["total_ms"]))


def _heaviest(ran: Iterable[_Ran]) -> tuple[Heavy, ...]:
    """One query per fingerprint, with the text that took most of the time; the costliest first."""
    merged: dict[str, list[_Ran]] = {}
    for item in ran:
        merged.setdefault(item.statement.fingerprint, []).append(item)
    by_time = sorted(
        merged.values(), key=lambda same: (-math.fsum(item.total_ms for item in same), same[0].statement.fingerprint)
    )
    ids = QueryIds()
    return tuple(
        Heavy(_query(same, ids), math.fsum(item.calls for item in same), math.fsum(item.total_ms for item in same))
        for same in by_time
    )


def _query(same: list[_Ran], ids: QueryIds) -> Query:
    statement = max(same, key=lambda item: item.total_ms).statement
    query_id = ids.next_for(statement.fingerprint)
    return Query(
        id=query_id,
        name=query_id,
        text=statement.text,
        normalized_text=statement.normalized_text,
        weight=math.fsum(item.calls for item in same),
        kind=statement.kind or QueryKind.WRITE,
        parameter_count=statement.parameter_count,
    )


def _hidden(row: DictRow) -> Skipped:
    return Skipped(
        name=f"statements of role {row['role']}",
        normalized_text="",
        weight=row["calls"],
        code="query.hidden",
        reason=f"the texts are hidden from this role; GRANT pg_read_all_stats shows those of {row['role']}",
    )


def _no_query(kind: str, calls: float) -> Skipped:
    return Skipped(
        name=f"{kind} statements",
        normalized_text="",
        weight=calls,
        code="sql.utility",
        reason=f"{kind} is not a query: what it runs has no plan of its own here, and no trial and no total knows it",
    )


def _unusable(row: DictRow, code: str, reason: str, normalized_text: str = "") -> Skipped:
    name = normalized_text[:60] or "a statement"
    return Skipped(name=name, normalized_text=normalized_text, weight=row["calls"], code=code, reason=reason)


def _empty(skipped: list[Skipped]) -> EmptyWorkloadError:
    hidden = sum(item.code == "query.hidden" for item in skipped)
    next_step = f"Let the application run for a while, {_FILE_INSTEAD}."
    if any(item.code in _UNREAD for item in skipped):
        next_step = f"Let the application run for a while, {_FILE_INSTEAD}; {_RESET}."
    if hidden:
        next_step = f"GRANT pg_read_all_stats to this role, {_FILE_INSTEAD}."
    return EmptyWorkloadError(
        f"there is no workload: pg_stat_statements holds no usable query of this database, {len(skipped)} are left out",
        next_step=next_step,
        left_out=[one.why for one in skipped],
    )

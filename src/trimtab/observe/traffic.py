"""Reads what pg_stat_statements has counted: one reading of all statements of this database, and whose they are.

Texts leave this file as ids of queries only. Never resets the statistics, and judges nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load
from trimtab.errors import SourceError
from trimtab.model.traffic import Counter, Counters, StatementKey
from trimtab.model.workload import Query
from trimtab.observe.reading import query
from trimtab.observe.statements import counting, counting_since, extension_of
from trimtab.observe.text_identity import identity_of

_TRACKS_PLANNING = b"select pg_catalog.current_setting('pg_stat_statements.track_planning', true)"


def read_counters(conn: Connection) -> Counters | None:
    """Return what stands counted now, or None where the server does not tell it (any more).

    Raises SourceError when the connection is lost.
    """
    with _untold(conn):
        schema, _ = extension_of(conn)
        # Before, not after: a reset in between then shows as counters that shrank.
        told = counting(conn, schema, "watch_evictions") or {}
        rows = _rows(conn, schema, with_texts=False)
        counters = {_key(row): _counter(row) for row in rows}
        return Counters(told.get("reset") or "", counters, told.get("evictions"))
    return None


def read_counted_since(conn: Connection) -> str | None:
    """Return since when the server counts what `read_counters` reads, None where it does not tell.

    Raises SourceError when the connection is lost.
    """
    with _untold(conn):
        return counting_since(conn, extension_of(conn)[0])
    return None


def read_planned(conn: Connection, server_ids: Collection[int]) -> tuple[int, int] | None:
    """Return how often these statements were planned and how often executed, by the server's ids of them.

    None where the server does not count plans (`pg_stat_statements.track_planning`), or does not tell.
    Raises SourceError when the connection is lost.
    """
    with _untold(conn):
        [[tracks]] = conn.execute(_TRACKS_PLANNING).fetchall()
        if tracks == "on":
            text = sql.SQL(load("traffic_plans", conn.info.server_version))
            composed = text.format(schema=sql.Identifier(extension_of(conn)[0]))
            [row] = query(conn, composed, (list(server_ids),))
            return row["plans"], row["calls"]
    return None


def statements_of(conn: Connection, queries: Iterable[Query]) -> dict[StatementKey, str]:
    """Return which query of a workload from pg_stat_statements each counted statement is, by the query's id.

    Cursors are left out: their time is in what fetches from them. So are queries whose ids are ambiguous; and all where
    the server does not tell it (any more). Raises SourceError when the connection is lost.
    """
    ids = {item.id for item in queries}
    by_text: dict[str, list[StatementKey]] = defaultdict(list)
    with _untold(conn):
        for row in _rows(conn, extension_of(conn)[0], with_texts=True):
            if row["is_top_level"] and row["text"]:
                by_text[row["text"]].append(_key(row))
    found: dict[StatementKey, str] = {}
    for text, keys in by_text.items():
        query_id = _query_id(text)
        if query_id in ids and f"{query_id}-2" not in ids:
            found.update(dict.fromkeys(keys, query_id))
    return found


@contextmanager
def _untold(conn: Connection) -> Iterator[None]:
    """Let go of the errors of a server that is there, and does not tell."""
    try:
        yield
    except (SourceError, psycopg.Error) as error:
        if conn.closed:
            raise source_error(error) if isinstance(error, psycopg.Error) else error from None


def _rows(conn: Connection, schema: str, *, with_texts: bool) -> list[DictRow]:
    # The name of the schema is the only thing that a parameter cannot hold.
    text = sql.SQL(load("traffic", conn.info.server_version)).format(schema=sql.Identifier(schema))
    return query(conn, text, (with_texts,))


def _key(row: DictRow) -> StatementKey:
    return row["role_oid"], row["query_id"], row["is_top_level"]


def _counter(row: DictRow) -> Counter:
    """The server keeps the mean and the deviation over all executions, so that the sum of squares can be had back."""
    calls, total_ms, deviation_ms = row["calls"], row["total_ms"], row["deviation_ms"]
    return Counter(
        calls,
        total_ms,
        calls * deviation_ms**2 + total_ms**2 / calls,
        row["since"],
        row["rows"],
        row["blocks"],
        row["temporary_blocks"],
    )


def _query_id(text: str) -> str | None:
    """Return the id under which `workload_from_statements` has the text, or None where it has none."""
    identity = identity_of(text)
    return None if identity.is_cursor else identity.query_id

"""Reads a random sample of the source more than once: every statement sees the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import TupleRow

from trimtab.db.connection import Connection

_SEED = "select pg_catalog.setseed(0.5)"


def sampled_rows(connection: Connection, text: str, values: Sequence[object] = ()) -> list[TupleRow]:
    """Return the rows of a statement whose random() starts as that of every other statement run so."""
    connection.execute(_SEED)
    return connection.execute(text.encode(), values or None).fetchall()

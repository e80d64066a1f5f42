"""Runs one catalog query and returns its rows by name. The only way in which this room reads the catalog.

Decides nothing about the rows; errors of the server become ours here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from trimtab.db.connection import Connection, source_error
from trimtab.db.queries import load

Rows: TypeAlias = list[DictRow]


def read(conn: Connection, name: str, parameters: Sequence[object] = ()) -> Rows:
    """Return the rows of catalog query `name`. Raises SourceError as `source_error` maps it."""
    try:
        return query(conn, load(name, conn.info.server_version), parameters)
    except psycopg.Error as exc:
        raise source_error(exc) from None


def query(conn: Connection, text: str | sql.Composed, parameters: Sequence[object] = ()) -> Rows:
    """Return the rows of a query text with `$n`. Raises psycopg.Error."""
    cursor = conn.cursor(row_factory=dict_row)
    composed = text if isinstance(text, sql.Composed) else text.encode()
    return cursor.execute(composed, parameters or None).fetchall()

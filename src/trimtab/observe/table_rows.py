"""Reads how many rows tables had when they were last counted. It counts nothing itself, and locks nothing."""

from __future__ import annotations

from collections.abc import Collection

from trimtab.db.connection import Connection
from trimtab.observe.reading import read

MOST_TABLES = 5000


def read_table_rows(
    conn: Connection, tables: Collection[tuple[str, str]] | None = None, *, most: int = MOST_TABLES
) -> dict[str, float]:
    """Return the rows of these tables, by "schema.name"; None stands for the largest of all. Raises SourceError."""
    schemas = None if tables is None else [schema for schema, _ in tables]
    names = None if tables is None else [name for _, name in tables]
    return {f"{row['schema']}.{row['name']}": row["rows"] for row in read(conn, "table_rows", (schemas, names, most))}

"""Reads how many rows and pages tables had when they were last counted. It counts nothing itself, and locks nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trimtab.db.connection import Connection
from trimtab.observe.reading import read

MOST_TABLES = 5000


@dataclass(frozen=True, slots=True)
class TableCounts:
    """Rows and pages, by "schema.name"."""

    rows: Mapping[str, float] = field(default_factory=dict[str, float])
    pages: Mapping[str, float] = field(default_factory=dict[str, float])


def read_table_counts(
    conn: Connection, tables: Collection[tuple[str, str]] | None = None, *, most: int = MOST_TABLES
) -> TableCounts:
    """Return the counts of these tables; None stands for the largest of all. Raises SourceError."""
    schemas = None if tables is None else [schema for schema, _ in tables]
    names = None if tables is None else [name for _, name in tables]
    rows = read(conn, "table_counts", (schemas, names, most))
    counts = ({f"{row['schema']}.{row['name']}": row[what] for row in rows} for what in ("rows", "pages"))
    return TableCounts(*counts)

"""Reads what the planner knows of columns and of parameter types, to draw parameters from; the only place that does.

The values are samples of the user's rows: they stay in memory, and are never logged or written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trimtab.db.connection import Connection
from trimtab.observe.names import TableName
from trimtab.observe.reading import read
from trimtab.observe.relations import relation_oids


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column's type and statistics. `frequencies` are shares of the rows; `bounds` are in ascending order.

    `category` is pg_type's: "N" numeric, "S" string, "D" date and time, "A" array... `max_length` is in characters.
    """

    type_oid: int
    type_name: str
    category: str
    max_length: int | None = None
    is_unique: bool = False
    is_foreign_key: bool = False
    common_values: tuple[str, ...] = ()
    frequencies: tuple[float, ...] = ()
    bounds: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """True when there is a value to draw."""
        return bool(self.common_values or self.bounds)


@dataclass(frozen=True, slots=True)
class ParameterType:
    """The type that the server inferred for a parameter. `label` is the first label of an enum."""

    oid: int
    name: str
    category: str
    element_category: str | None = None
    label: str | None = None


def read_column_facts(conn: Connection, tables: Collection[TableName]) -> Mapping[TableName, Mapping[str, ColumnFacts]]:
    """Return the columns of the relations that exist, in order, by names as written. Raises SourceError."""
    # Only dates in ISO form mean the same in another session.
    with conn.transaction(force_rollback=True):
        read(conn, "iso_dates")
        oids = relation_oids(conn, tables)
        rows = read(conn, "column_facts", (list(oids.values()),))
    found: dict[int, dict[str, ColumnFacts]] = {}
    for row in rows:
        found.setdefault(row["oid"], {})[row["column"]] = ColumnFacts(
            type_oid=row["type_oid"],
            type_name=row["type_name"],
            category=row["category"],
            max_length=row["max_length"],
            is_unique=row["is_unique"],
            is_foreign_key=row["is_foreign_key"],
            common_values=tuple(row["common_values"]),
            frequencies=tuple(row["frequencies"]),
            bounds=tuple(row["bounds"]),
        )
    return {table: found[oid] for table, oid in sorted(oids.items()) if oid in found}


def read_parameter_types(conn: Connection, oids: Collection[int]) -> Mapping[int, ParameterType]:
    """Return the types by oid. Raises SourceError."""
    return {row["oid"]: ParameterType(**row) for row in read(conn, "parameter_types", (sorted(oids),))}

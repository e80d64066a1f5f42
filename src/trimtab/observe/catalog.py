"""The user's tables with their columns, indexes, foreign keys and statistics objects, in five catalog queries.

Never reads a row of a table nor a value of its statistics, and takes no lock that could wait. What appears or vanishes
between two of the queries is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeVar

from psycopg.rows import DictRow

from trimtab.db.connection import Connection
from trimtab.model.catalog import Column, ForeignKey, Index, StatisticsObject, Table
from trimtab.observe.reading import Rows, read

_Value = TypeVar("_Value")
_TABLE_FIELDS = [
    "schema",
    "name",
    "oid",
    "kind",
    "rows",
    "pages",
    "size_bytes",
    "inserts",
    "updates",
    "hot_updates",
    "deletes",
    "is_readable",
    "is_owned",
    "has_row_security",
    "may_create",
    "is_empty",
    "rows_are_known",
]
_INDEX_FIELDS = [
    "schema",
    "name",
    "method",
    "definition",
    "tail",
    "is_unique",
    "is_primary",
    "is_valid",
    "is_replica_identity",
    "is_clustered",
    "is_partial",
    "has_expressions",
    "has_more",
    "constraint",
    "size_bytes",
    "scans",
    "oid",
    "is_exclusion",
]


def read_tables(conn: Connection) -> tuple[Table, ...]:
    """Return the ordinary tables, partitioned tables, partitions and materialized views, by schema and name.

    System, temporary and extension-owned tables are left out. A partitioned table stands for the sum of its leaves, so
    sizes of all tables must not be added up without minding `kind`. Raises SourceError.
    """
    tables = read(conn, "catalog_tables")
    names = {row["oid"]: row["name"] for row in tables}
    oids = list(names)
    columns = _by_table(read(conn, "catalog_columns", (oids, sorted(set(names.values())))), _column)
    foreign_keys = _by_table(read(conn, "catalog_foreign_keys", (oids,)), _foreign_key)
    statistics = _by_table(read(conn, "catalog_statistics", (oids,)), _statistics_object)
    indexes = _by_table(read(conn, "catalog_indexes", (oids,)), lambda row: _index(row, names[row["table_oid"]]))
    return tuple(
        Table(
            **{field: row[field] for field in _TABLE_FIELDS},
            columns=columns.get(row["oid"], ()),
            indexes=indexes.get(row["oid"], ()),
            foreign_keys=foreign_keys.get(row["oid"], ()),
            statistics=statistics.get(row["oid"], ()),
        )
        for row in tables
        if row["oid"] in columns
    )


def _by_table(rows: Rows, make: Callable[[DictRow], _Value]) -> Mapping[int, tuple[_Value, ...]]:
    found: defaultdict[int, list[_Value]] = defaultdict(list)
    for row in rows:
        found[row["table_oid"]].append(make(row))
    return {oid: tuple(values) for oid, values in found.items()}


def _column(row: DictRow) -> Column:
    return Column(
        name=row["name"],
        number=row["number"],
        type_name=row["type_name"],
        is_not_null=row["is_not_null"],
        has_btree_order=row["has_btree_order"],
        average_width=row["average_width"],
        correlation=row["correlation"],
        distinct_values=row["distinct_values"],
        statistics_target=row["statistics_target"],
        distinct_set=row["distinct_set"],
        distinct_set_inherited=row["distinct_set_inherited"],
    )


def _index(row: DictRow, table: str) -> Index:
    return Index(
        **{field: row[field] for field in _INDEX_FIELDS},
        table=table,
        key_columns=tuple(row["key_columns"]),
        include_columns=tuple(row["include_columns"]),
        key_options=tuple(row["key_options"]),
        operator_classes=tuple(row["operator_classes"]),
        collations=tuple(row["collations"]),
    )


def _foreign_key(row: DictRow) -> ForeignKey:
    return ForeignKey(
        row["name"], tuple(row["columns"]), row["referenced_schema"], row["referenced_table"], row["cascades"]
    )


def _statistics_object(row: DictRow) -> StatisticsObject:
    return StatisticsObject(
        row["schema"], row["name"], tuple(row["columns"]), tuple(row["kinds"]), row["definition_sha256"]
    )

"""What a database defines, beside its rows, that plans depend on: by name, so that two moments can be compared.

The archive of the schema holds all of it too, but tells only whether anything changed. The catalog alone is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.model.plan_shape import topmost
from trimtab.twin.settings import PLANNER_SETTINGS

Name: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """An index, but none that belongs to an index of a partitioned table. `tail` is its definition from USING on."""

    schema: str
    name: str
    table: str
    tail: str
    key_columns: tuple[str, ...]
    include_columns: tuple[str, ...]
    is_unique: bool
    is_valid: bool


@dataclass(frozen=True, slots=True)
class StatisticsDefinition:
    """A statistics object. `has_expressions` is true when columns alone do not make it."""

    schema: str
    name: str
    table_schema: str
    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    has_expressions: bool


@dataclass(frozen=True, slots=True)
class ScopedSetting:
    """A planner setting of a database, a role, a role in this database, or a function: `level` says which of these."""

    level: str
    scope: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A table or view: `digest` is of columns, constraints without an index, options, partitioning and policies."""

    schema: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Definitions:
    """All of them, at one moment. `parents` are (schema, name) of a partition or its index, and of what is above it."""

    indexes: tuple[IndexDefinition, ...] = ()
    statistics: tuple[StatisticsDefinition, ...] = ()
    settings: tuple[ScopedSetting, ...] = ()
    tables: tuple[TableDefinition, ...] = ()
    parents: tuple[tuple[Name, Name], ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Definitions:
        """Return what `dataclasses.asdict` made a dictionary of. Raises KeyError or TypeError when it did not."""
        return cls(
            indexes=tuple(IndexDefinition(**_with_tuples(item)) for item in data["indexes"]),
            statistics=tuple(StatisticsDefinition(**_with_tuples(item)) for item in data["statistics"]),
            settings=tuple(ScopedSetting(**item) for item in data["settings"]),
            tables=tuple(TableDefinition(**item) for item in data["tables"]),
            parents=tuple(((c[0], c[1]), (p[0], p[1])) for c, p in data["parents"]),
        )

    def tops(self) -> dict[Name, Name]:
        """Return the topmost parent of each partition or child, and of each index of one."""
        return topmost(self.parents)


def read_definitions(connection: Connection) -> Definitions:
    """Return what the source defines now. SELECT rights are not needed. Raises psycopg.Error."""

    def rows(name: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return connection.execute(queries.load(name, connection.info.server_version), parameters).fetchall()

    return Definitions(
        indexes=tuple(
            IndexDefinition(schema, name, table, tail, tuple(keys), tuple(included), is_unique, is_valid)
            for schema, name, table, tail, keys, included, is_unique, is_valid in rows("twin_indexes")
        ),
        statistics=tuple(
            StatisticsDefinition(schema, name, table_schema, table, tuple(columns), tuple(kinds), has_expressions)
            for schema, name, table_schema, table, columns, kinds, has_expressions in rows("twin_statistics_objects")
        ),
        settings=tuple(ScopedSetting(*row) for row in rows("twin_scoped_settings", (PLANNER_SETTINGS,))),
        tables=tuple(TableDefinition(*row) for row in rows("twin_tables")),
        parents=tuple(((schema, child), (above, parent)) for schema, child, above, parent in rows("twin_parents")),
    )


def _with_tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}

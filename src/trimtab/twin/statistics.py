"""Carries the planner's statistics of columns from the views that SELECT rights show into the twin's own catalog.

Values travel as texts, and operators and collations are chosen on the twin as ANALYZE would choose them there: so no
number of an object leaves its server, and the twin may be of any version. What the twin cannot read is left out alone
and told by the name of its column; values of a statistic are never in a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.text_forms import text_forms
from trimtab.model.change import qualified
from trimtab.model.column_statistics import ColumnStatistics

_BATCH = 2000
_RANGES_SHOWN_SINCE = 170000


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """Whose statistics they are. `number` is that of an index's column, whose name may differ on another server."""

    schema: str
    relation: str
    column: str
    number: int | None
    is_inherited: bool
    statistics: ColumnStatistics


def read_columns(connection: Connection, *, with_values: bool) -> list[StoredColumn]:
    """Return the statistics of all columns of users' relations that this role may see."""
    version = connection.info.server_version
    with connection.transaction(), text_forms(connection):
        rows = connection.execute(queries.load("twin_statistics", version)).fetchall()
        ranges = _older_ranges(connection) if with_values and version < _RANGES_SHOWN_SINCE else {}
    found = []
    for schema, relation, column, number, is_inherited, *facts in rows:
        statistics = ColumnStatistics(*facts)
        if not with_values:
            statistics = statistics.without_values()
        elif (schema, relation, column, is_inherited) in ranges:
            lengths, empty, bounds = ranges[schema, relation, column, is_inherited]
            statistics = replace(statistics, length_histogram=lengths, empty_share=empty, bounds_histogram=bounds)
        found.append(StoredColumn(schema, relation, column, number, is_inherited, statistics))
    return found


def may_read_ranges(connection: Connection) -> bool:
    """Tell whether the role may read the statistics of ranges, which the views of older versions leave out."""
    if connection.info.server_version >= _RANGES_SHOWN_SINCE:
        return True
    text = "select pg_catalog.has_table_privilege('pg_catalog.pg_statistic', 'select')"
    row = connection.execute(text).fetchone()
    return row is not None and row[0] is True


def hidden_ranges(connection: Connection) -> list[tuple[str, str]]:
    """Return the (schema, name) of relations with ranges whose statistics this role may not read."""
    if may_read_ranges(connection):
        return []
    rows = connection.execute(queries.load("twin_range_columns", connection.info.server_version))
    return [(schema, name) for schema, name in rows]


def _older_ranges(
    connection: Connection,
) -> dict[tuple[str, str, str, bool], tuple[str | None, float | None, str | None]]:
    if not may_read_ranges(connection):
        return {}
    rows = connection.execute(queries.load("twin_ranges", connection.info.server_version))
    return {
        (schema, relation, column, is_inherited): (lengths, empty, bounds)
        for schema, relation, column, is_inherited, lengths, empty, bounds in rows
    }


def store_columns(twin: Connection, columns: Sequence[StoredColumn]) -> list[str]:
    """Store the statistics on the twin; columns that it lacks are passed over. Return what it could not read.

    Its relations must not have statistics of these columns yet.
    """
    types = _expression_types(twin) if any(c.number is not None for c in columns) else {}
    refused: list[StoredColumn] = []
    with twin.transaction(), text_forms(twin):
        for start in range(0, len(columns), _BATCH):
            batch = columns[start : start + _BATCH]
            refused += _store(twin, [(column.schema, column) for column in batch], types)
    return [
        f"statistics not on the twin: {qualified(c.schema, c.relation)}, column {c.column}: they cannot be read there"
        for c in refused
    ]


def store_column_statistics(
    connection: Connection,
    schema: str | None,
    relation: str,
    column: str | int,
    statistics: ColumnStatistics,
    *,
    is_inherited: bool = False,
) -> bool:
    """Replace the statistics of one column, by its name or by its number in an index. False when they are refused.

    `schema` is None for a temporary relation. `is_inherited` are those of all that inherits too. Needs a superuser.
    """
    number = column if isinstance(column, int) else None
    wanted = StoredColumn(schema or "", relation, "" if number else str(column), number, is_inherited, statistics)
    with connection.transaction(), text_forms(connection):
        connection.execute(
            queries.load("twin_statistics_forget", connection.info.server_version),
            (schema, relation, wanted.column, number, is_inherited),
        )
        types = {} if number is None else _expression_types(connection, relation)
        return not _store(connection, [(schema, wanted)], types)


def _store(
    twin: Connection, wanted: Sequence[tuple[str | None, StoredColumn]], types: dict[tuple[str, str, int], int]
) -> list[StoredColumn]:
    """Store them at once, or by halves when the server refuses one of them; return the refused."""
    rows = [
        (
            schema,
            c.relation,
            c.column,
            c.number,
            types.get((c.schema, c.relation, c.number)) if c.number is not None else None,
            c.is_inherited,
            *astuple(c.statistics),
        )
        for schema, c in wanted
    ]
    try:
        with twin.transaction():
            twin.execute(
                queries.load("twin_statistics_store", twin.info.server_version),
                [list(values) for values in zip(*rows, strict=True)],
            )
    except psycopg.Error:
        if twin.closed:
            raise
        if len(wanted) == 1:
            return [wanted[0][1]]
        half = len(wanted) // 2
        return _store(twin, wanted[:half], types) + _store(twin, wanted[half:], types)
    return []


def _expression_types(twin: Connection, relation: str | None = None) -> dict[tuple[str, str, int], int]:
    """Return the types of expressions of indexes that keep something else than the expression's value, as GIN does."""
    probes = twin.execute(queries.load("twin_expressions", twin.info.server_version), (relation,)).fetchall()
    found = {}
    for schema, index, number, table, expression in probes:
        # Prepared and never run: only the type of its result is wanted.
        statement = f"SELECT {expression} FROM ONLY {table}".encode()  # noqa: S608 - the server's own text
        if twin.pgconn.prepare(b"", statement).status == psycopg.pq.ExecStatus.COMMAND_OK:
            found[schema, index, number] = twin.pgconn.describe_prepared(b"").ftype(0)
    return found

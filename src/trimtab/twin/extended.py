"""Carries what extended statistics hold to the twin: pg_dump leaves it out, and only a superuser may write it.

It is read as the views show it, by the names of columns, since a table that lost a column has other numbers on the
source than on the twin. Numbers of groups and degrees of dependency are written in PostgreSQL's own layout
(mvdistinct.c, dependencies.c); lists of common values are made in `common_values.py`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.text_forms import text_forms
from trimtab.model.change import quote_identifier
from trimtab.model.column_statistics import ColumnStatistics
from trimtab.twin.common_values import CommonValues, common_values_bytes
from trimtab.twin.statistics import store_column_statistics

# These casts let the twin's superuser store bytes as what they are.
_STORED_TYPES = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
_HEAD = struct.Struct("=III")  # magic, type, number of items
_NDISTINCT_MAGIC, _DEPENDENCIES_MAGIC = 0xA352BFA4, 0xB4549A2C
_SCRATCH = "trimtab_expressions"


@dataclass(frozen=True, slots=True)
class ExtendedValues:
    """What one statistics object holds. `columns` are the (number, name) that its texts mean.

    `ndistinct` and `dependencies` are PostgreSQL's texts of them; `expressions` are in the object's order.
    """

    schema: str
    name: str
    is_inherited: bool
    columns: tuple[tuple[int, str], ...]
    ndistinct: str | None = None
    dependencies: str | None = None
    common: CommonValues | None = None
    expressions: tuple[ColumnStatistics, ...] = ()

    def without_values(self) -> ExtendedValues:
        """Return what holds no value of a column."""
        return replace(self, common=None, expressions=tuple(e.without_values() for e in self.expressions))


def hidden_values(connection: Connection) -> list[tuple[str, str, str, str]]:
    """Return the schema and name, and those of their table, of statistics objects that only its owner may look into."""
    rows = connection.execute(queries.load("twin_extended_hidden", connection.info.server_version))
    return [(schema, name, table_schema, table) for schema, name, table_schema, table in rows]


def may_read_values(connection: Connection) -> bool:
    """Tell whether the role may read what all statistics objects hold: superusers and the tables' owners may."""
    return not hidden_values(connection)


def read_values(connection: Connection) -> list[ExtendedValues]:
    """Return the values of all statistics objects of a database that this role may see."""
    version = connection.info.server_version
    with connection.transaction(), text_forms(connection):
        rows = connection.execute(queries.load("twin_extended", version)).fetchall()
        expressions: dict[tuple[str, str, bool], list[ColumnStatistics]] = {}
        for schema, name, is_inherited, *facts in connection.execute(
            queries.load("twin_extended_expressions", version)
        ):
            # An expression that was not analysed has no width, and nothing that could be stored.
            found = ColumnStatistics(*facts) if facts[1] is not None else ColumnStatistics(0.0, 0, 0.0)
            expressions.setdefault((schema, name, is_inherited), []).append(found)
    return [
        ExtendedValues(
            schema=schema,
            name=name,
            is_inherited=is_inherited,
            columns=tuple(zip(numbers, names or (), strict=True)),
            ndistinct=ndistinct,
            dependencies=dependencies,
            common=None if values is None else CommonValues(values, shares, base_shares),
            expressions=tuple(expressions.get((schema, name, is_inherited), ())),
        )
        for schema, name, is_inherited, ndistinct, dependencies, values, shares, base_shares, numbers, names in rows
    ]


@contextmanager
def storing(twin: Connection) -> Iterator[None]:
    """Let `store_values` store while this lasts, by casts that nobody else sees: it is one transaction.

    Whoever could cast bytes so could have PostgreSQL read what no ANALYZE wrote. An error has to end the transaction.
    """
    with twin.transaction():
        for name in _STORED_TYPES:
            twin.execute(f"CREATE CAST (bytea AS pg_catalog.{name}) WITHOUT FUNCTION".encode())
        yield
        for name in _STORED_TYPES:
            twin.execute(f"DROP CAST (bytea AS pg_catalog.{name})".encode())


def store_values(twin: Connection, values: ExtendedValues) -> bool:
    """Store the values in the twin's object of that name; False when the twin could not store all of them.

    It has no such object, or it cannot read a value. Only within `storing`.
    """
    version = twin.info.server_version
    row = twin.execute(queries.load("twin_extended_object", version), (values.schema, values.name)).fetchone()
    if row is None:
        return False
    oid, relation, numbers, names, expressions = row
    known = dict(zip(names, numbers, strict=True))
    if set(known) != {name for _, name in values.columns}:
        return False
    translated = {old: known[name] for old, name in values.columns}
    source_order = [name for _, name in values.columns]
    order = [source_order.index(name) for name in names]
    order += range(len(order), len(order) + len(expressions))
    complete, common, scratch = True, None, None
    try:
        counts = None if values.ndistinct is None else ndistinct_bytes(values.ndistinct, translated)
        degrees = None if values.dependencies is None else dependencies_bytes(values.dependencies, translated)
    except (ValueError, AttributeError, TypeError, struct.error):  # Another version's texts.
        return False
    if values.common is not None:
        columns = [quote_identifier(name) for name in names] + [f"({expression})" for expression in expressions]
        common = common_values_bytes(twin, relation, columns, order, values.common)
        complete = common is not None
    with twin.transaction():
        if expressions and len(values.expressions) == len(expressions):
            complete &= _store_expressions(twin, relation, expressions, values.expressions)
            scratch = f"pg_temp.{_SCRATCH}"
        twin.execute(queries.load("twin_extended_forget", version), (oid, values.is_inherited))
        twin.execute(
            queries.load("twin_extended_store", version),
            (oid, values.is_inherited, counts, degrees, common, scratch),
        )
        if scratch is not None:
            twin.execute(f"DROP TABLE {scratch}".encode())
    return complete


def _store_expressions(
    twin: Connection, relation: str, expressions: list[str], statistics: tuple[ColumnStatistics, ...]
) -> bool:
    """Give an empty table the expressions as columns, and its columns their statistics."""
    columns = ", ".join(f"({expression}) AS e{number}" for number, expression in enumerate(expressions))
    # The server's own texts of its expressions and of its table.
    twin.execute(f"CREATE TEMP TABLE {_SCRATCH} AS SELECT {columns} FROM {relation} WITH NO DATA".encode())  # noqa: S608
    stored = [store_column_statistics(twin, None, _SCRATCH, f"e{place}", one) for place, one in enumerate(statistics)]
    return all(stored)


def ndistinct_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """Return the bytes of a pg_ndistinct, such as `{"1, 2": 10}`, with its column numbers translated.

    Numbers of expressions are negative and stay.
    """
    items = json.loads(text)
    data = _HEAD.pack(_NDISTINCT_MAGIC, 1, len(items))
    for key, count in items.items():
        columns = _translated(key.split(","), numbers)
        data += struct.pack(f"=di{len(columns)}h", float(count), len(columns), *columns)
    return data


def dependencies_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """Return the bytes of a pg_dependencies, such as `{"1, 2 => 3": 0.5}`, with its column numbers translated."""
    items = json.loads(text)
    data = _HEAD.pack(_DEPENDENCIES_MAGIC, 1, len(items))
    for key, degree in items.items():
        columns = _translated(key.replace("=>", ",").split(","), numbers)
        data += struct.pack(f"=dh{len(columns)}h", float(degree), len(columns), *columns)
    return data


def _translated(columns: list[str], numbers: Mapping[int, int]) -> list[int]:
    return [numbers.get(int(column), int(column)) for column in columns]

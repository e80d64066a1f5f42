"""Carries the values of extended statistics to the twin: pg_dump leaves them out, and only a superuser may write them.

They name columns by number, and a table that lost a column has other numbers on the source than on the twin: so the
numbers are translated by name. Layouts are those of PostgreSQL's mvdistinct.c and dependencies.c.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.db import queries
from trimtab.db.connection import Connection

# These casts let the twin's superuser store bytes as what they are.
_STORED_TYPES = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
_HEAD = struct.Struct("=III")  # magic, type, number of items
NDISTINCT_ITEM = struct.Struct("=di")  # distinct groups, number of columns
DEPENDENCY_ITEM = struct.Struct("=dh")  # degree, number of columns
_NUMBER = struct.Struct("=h")


@dataclass(frozen=True, slots=True)
class ExtendedValues:
    """What one statistics object holds. `columns` are the (number, name) that its bytes mean.

    `mcv` is None where its values would not mean the same on another server.
    """

    schema: str
    name: str
    is_inherited: bool
    ndistinct: bytes | None
    dependencies: bytes | None
    mcv: bytes | None
    columns: tuple[tuple[int, str], ...]
    has_expressions: bool


def may_read_values(connection: Connection) -> bool:
    """Tell whether the role may read the values: superusers and members of pg_read_all_data may."""
    text = "select pg_catalog.has_table_privilege('pg_catalog.pg_statistic_ext_data', 'select')"
    row = connection.execute(text).fetchone()
    return row is not None and row[0] is True


def read_values(connection: Connection) -> list[ExtendedValues]:
    """Return the values of all statistics objects of a database. The role must be allowed to read them."""
    rows = connection.execute(queries.load("twin_extended", connection.info.server_version)).fetchall()
    return [
        ExtendedValues(
            schema=schema,
            name=name,
            is_inherited=is_inherited,
            ndistinct=ndistinct,
            dependencies=dependencies,
            mcv=mcv,
            columns=tuple(zip(numbers, names, strict=True)),
            has_expressions=has_expressions,
        )
        for schema, name, is_inherited, ndistinct, dependencies, mcv, numbers, names, has_expressions in rows
    ]


def allow_storing(twin: Connection) -> None:
    """Make the casts that `store_values` needs, once per twin."""
    for name in _STORED_TYPES:
        twin.execute(f"CREATE CAST (bytea AS pg_catalog.{name}) WITHOUT FUNCTION".encode())


def store_values(twin: Connection, values: ExtendedValues) -> bool:
    """Store the values in the twin's object of that name; False when the twin has no such object on these columns."""
    version = twin.info.server_version
    names = [name for _, name in values.columns]
    row = twin.execute(queries.load("twin_extended_numbers", version), (values.schema, values.name, names)).fetchone()
    if row is None or len(row[0]) != len(names):
        return False
    numbers = {old: new for (old, _), new in zip(values.columns, row[0], strict=True)}
    stored = (
        values.ndistinct and renumbered(values.ndistinct, numbers, NDISTINCT_ITEM),
        values.dependencies and renumbered(values.dependencies, numbers, DEPENDENCY_ITEM),
        values.mcv,  # It holds the columns in their order, without numbers.
    )
    twin.execute(
        queries.load("twin_extended_store", version), (values.schema, values.name, values.is_inherited, *stored)
    )
    return True


def renumbered(data: bytes, numbers: Mapping[int, int], item: struct.Struct) -> bytes:
    """Return the bytes with every column number translated; expressions, which are negative, stay."""
    result = bytearray(data)
    place = _HEAD.size
    _, _, count = _HEAD.unpack_from(data)
    for _ in range(count):
        _, columns = item.unpack_from(data, place)
        place += item.size
        for _ in range(columns):
            (number,) = _NUMBER.unpack_from(data, place)
            _NUMBER.pack_into(result, place, numbers.get(number, number))
            place += _NUMBER.size
    return bytes(result)

"""Keeps the statistics of expression indexes while the indexes are not there.

PostgreSQL computes them by ANALYZE of a table that has the index, and each ANALYZE draws another sample, so the table's
other statistics change too. A comparison needs the same statistics before and after an index is built: so every
expression index is built and its table analysed *before* a twin is made, its rows of pg_statistic are moved to an oid
that nobody has, and the index is dropped. When it is built again, they are moved to it. CREATE INDEX before version 18
also writes the exact number of the table's rows in the place of ANALYZE's estimate: it is put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bench.twin.designs import EXPRESSION, Design, candidates
from trimtab.db.connection import Connection

Parked: TypeAlias = Mapping[str, int]
"""The oid that nobody has, by the design's definition."""

_FIRST_OID = 4_294_000_000
_COUNTS = b"select relpages, reltuples, relallvisible from pg_catalog.pg_class where oid = $1::regclass"
_PUT_BACK = b"update pg_catalog.pg_class set relpages = $2, reltuples = $3, relallvisible = $4 where oid = $1::regclass"
_MOVE = b"update pg_catalog.pg_statistic set starelid = $2::bigint::oid where starelid = $1::bigint::oid"


def park_all(connection: Connection, database: str) -> dict[str, int]:
    """Build the database's expression indexes, analyse their tables, park what ANALYZE found, and drop them."""
    designs = [design for design in candidates(database) if design.kind == EXPRESSION]
    for design in designs:
        connection.execute(design.change.sql(concurrently=False).encode())
    for table in sorted({design.change.table for design in designs}):
        connection.execute(f"analyze {table}".encode())
    parked = {}
    for number, design in enumerate(designs):
        parked[design.definition] = _FIRST_OID + number
        drop(connection, design, parked)
    return parked


def build(connection: Connection, design: Design, parked: Parked) -> None:
    """Build the index really, with the statistics that are parked for it, and leave the table's counts as they were."""
    table = design.change.table
    before = connection.execute(_COUNTS, (table,)).fetchone()
    connection.execute(design.change.sql(concurrently=False).encode())
    if connection.execute(_COUNTS, (table,)).fetchone() != before:
        assert before is not None
        connection.execute(_PUT_BACK, (table, *before))
    if design.definition in parked:
        connection.execute(_MOVE, (parked[design.definition], _oid(connection, design)))


def drop(connection: Connection, design: Design, parked: Parked) -> None:
    """Drop the index again, and park its statistics."""
    if design.definition in parked:
        connection.execute(_MOVE, (_oid(connection, design), parked[design.definition]))
    connection.execute(f"drop index {design.change.name}".encode())


def _oid(connection: Connection, design: Design) -> int:
    row = connection.execute("select $1::regclass::oid::bigint", (design.change.name,)).fetchone()
    assert row is not None
    return int(row[0])

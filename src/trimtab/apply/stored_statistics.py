"""Reads the planner's statistics of single columns from the source's catalog, and stores others in their place.

Needs PostgreSQL 18, whose own functions check what they store. Values are passed on, and are in no message: a server's
warning of a value that it refuses is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple

import psycopg

from trimtab.apply.statistics_files import StatisticsFiles, columns_digest
from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.db.text_forms import text_forms
from trimtab.errors import ApplyError
from trimtab.model.change import RestoreStatistics, qualified
from trimtab.model.column_statistics import ColumnStatistics, OfColumn, TableStatistics
from trimtab.validate.statistics import RESTORED_SINCE


def read_statistics(connection: Connection, schema: str, table: str, columns: Sequence[str]) -> TableStatistics | None:
    """Return what the planner knows of these columns, None where the table or one of them is not there.

    Raises SourceError.
    """
    version = connection.info.server_version
    if version < RESTORED_SINCE:
        return None
    try:
        with connection.transaction(), text_forms(connection):
            counts = connection.execute(
                queries.load("restorable_counts", version), (schema, table, list(columns))
            ).fetchone()
            rows = connection.execute(
                queries.load("restorable_statistics", version), (schema, table, list(columns))
            ).fetchall()
    except psycopg.Error as error:
        raise source_error(error) from None
    if counts is None or counts[0] != len(set(columns)):
        return None
    _, pages, row_count, visible, frozen = counts
    stored = tuple(OfColumn(column, inherited, ColumnStatistics(*facts)) for column, inherited, *facts in rows)
    return TableStatistics(version, tuple(columns), stored, pages, float(row_count), visible, frozen)


def statistics_of(change: RestoreStatistics, files: StatisticsFiles | None) -> TableStatistics:
    """Return the statistics that the change stores. Raises ApplyError `apply.statistics_file`."""
    found = None if files is None else files.read(change.file_sha256)
    if found is None or found.columns != change.columns or columns_digest(found) != change.columns_sha256:
        raise ApplyError(
            "the statistics were left as they are: the file is not of the columns that the change names",
            code="apply.statistics_file",
            next_step="Make the lock again: the change and its file do not belong together.",
        )
    return found


def store_statistics(
    connection: Connection, change: RestoreStatistics, statistics: TableStatistics, gate: Callable[[], None]
) -> None:
    """Store them, in the open transaction, in place of what is there of these columns; others are left alone.

    Plans that sessions hold are made anew. `gate` is called before each statement, and raises HeldError while none may
    be sent. Raises psycopg.Error, and ApplyError `apply.statistics_file` for what the server refuses.
    """
    version = connection.info.server_version
    where = (change.schema, change.table)
    # The first of the two writes differs from what is there, whatever that is: sessions are told by it to plan anew.
    for pages in (statistics.pages + 1, statistics.pages):
        counts = (pages, statistics.rows, statistics.visible_pages, statistics.frozen_pages)
        gate()
        _done(connection, "restore_counts", (*where, statistics.version, *counts))
    clear = queries.load("restore_clear", version)
    for column in statistics.columns:
        gate()
        connection.execute(clear, (*where, column))
    with text_forms(connection):
        for of in statistics.stored:
            values = (*where, of.column, of.is_inherited, statistics.version, *astuple(of.statistics))
            gate()
            _done(connection, "restore_column", values)


def _done(connection: Connection, name: str, values: tuple[object, ...]) -> None:
    row = connection.execute(queries.load(name, connection.info.server_version), values).fetchone()
    if row is None or row[0] is not True:
        raise ApplyError(
            f"the statistics of {qualified(*map(str, values[:2]))} were left as they are: not all can be stored",
            code="apply.statistics_file",
            next_step="The columns have other types than when these statistics were found; run ANALYZE instead.",
        )
